"""One claim on a run: its lock held, its record found or created, its end recorded however the work on it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from benchmark.launch.process import describe_exit
from benchmark.plan.plan import PlannedRun
from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.client import TrackingError
from benchmark.tracking.lock import hold, is_orphan, local_lock, lock_name
from benchmark.tracking.records import REPRODUCTION, RunRecord, Status, best_run
from benchmark.tracking.store import TrackingStore


@dataclass(slots=True)
class Claim:
    """A run that no other process with this cache folder works on.

    Attributes:
        record: the run as recorded; after the `with` block, as it ended.
        state: `open`: new or resumed, to be run; `busy`: another host or cache folder seems to be running it.
        lock: the open lock file, for the worker to inherit.
        exit_status: the worker's, set in the `with` block.
    """

    record: RunRecord
    state: Literal["open", "finished", "busy"]
    lock: int
    exit_status: int = 0


@dataclass(frozen=True, slots=True)
class Claims:
    """Where to claim runs: nested in the parent, and if `fresh` started over, what is recorded being superseded."""

    store: TrackingStore
    workspace: Workspace
    say: Callable[[str], None]
    parent_id: str
    fresh: bool = False

    @contextmanager
    def claim(self, planned: PlannedRun) -> Iterator[Claim]:
        """Wait for the run's lock, find or create its record, and after the block record the end if no worker did.

        Raises:
            KeyboardInterrupt: raised in the block; the run is recorded as KILLED.
        """
        path, name = self.workspace.lock(planned.identity), planned.config.name
        with hold(path, on_wait=lambda: self.say(f"{name}: another process is running it; waiting")) as lock:
            run = self._open(planned, lock)
            try:
                yield run
            except KeyboardInterrupt:
                self.store.stop_waiting()
                with suppress(TrackingError):  # the next start marks the run as KILLED
                    self._record_end(run, Status.KILLED, "interrupted")
                raise
            self._record_end(run, Status.FAILED, describe_exit(run.exit_status))

    def _open(self, planned: PlannedRun, lock: int) -> Claim:
        config, checkpoints = planned.config, self.workspace.checkpoint_dir(planned.identity)
        known = self.store.runs_of(config.profile, planned.fingerprint, config.seed, planned.kind)
        found = best_run(known, planned.fingerprint, config.seed)
        labels = self._labels(planned)
        if self.fresh:
            for run in known:
                self.store.supersede(run.run_id)
            self.workspace.drop_checkpoints(planned.identity)
            found = None
        if found is None:
            return self._start(planned, lock)
        if found.status is Status.FINISHED:
            if found.tags.get(tags.PARENT) != self.parent_id:  # MLflow shows a run with the plan that used it last
                self.store.reopen(found.run_id).set_tags({tags.PARENT: self.parent_id})
            self.workspace.drop_checkpoints(planned.identity)  # left by a kill between the last write and their removal
            return Claim(found, "finished", lock)
        if found.status is Status.RUNNING and not self._is_ours(found, planned):
            error = f"another host or cache folder seems to be running this (lock {found.lock}); if not, use --fresh"
            return Claim(replace(found, status=Status.FAILED, error=error), "busy", lock)
        if "val/loss" in found.metrics and not checkpoints.is_dir():
            # Its epochs would be trained again, perhaps on another machine, and look in the log as if they had not.
            self.say(f"{config.name}: MLflow run {found.run_id} has lost its checkpoint; starting over in a new run")
            self.store.supersede(found.run_id)
            return self._start(planned, lock)
        self.store.reopen(found.run_id).resume({key: labels[key] for key in (tags.PARENT, tags.LOCK)})
        return Claim(found, "open", lock)

    def _is_ours(self, run: RunRecord, planned: PlannedRun) -> bool:
        """Return whether we hold the lock of this RUNNING run, or nobody does."""
        lock, own = local_lock(run.lock, self.workspace.locks), self.workspace.lock(planned.identity)
        return lock is not None and (lock.resolve() == own.resolve() or is_orphan(run, self.workspace.locks))

    def _start(self, planned: PlannedRun, lock: int) -> Claim:
        tracker = self.store.start_run(planned.config.profile, planned.config.name, self._labels(planned))
        return Claim(self.store.run(tracker.run_id), "open", lock)

    def _record_end(self, run: Claim, status: Status, reason: str) -> None:
        if run.state == "open":
            if self.store.run(run.record.run_id).status is Status.RUNNING:
                self.store.reopen(run.record.run_id).finish(status, reason)
            run.record = self.store.run(run.record.run_id)

    def _labels(self, planned: PlannedRun) -> dict[str, str]:
        """Return the tags that a run begins with."""
        config = planned.config
        command = f"run {config.experiment_name} --profile {config.profile} --seed {config.seed}"
        if planned.kind == REPRODUCTION:
            command = f"reproduce {self.parent_id}"
        return tags.origin_tags(command) | tags.run_tags(
            kind=planned.kind,
            parent=self.parent_id,
            experiment=config.experiment_name,
            seed=config.seed,
            fingerprint=planned.fingerprint,
            lock=lock_name(self.workspace.lock(planned.identity)),
            note=_note(planned),
        )


def _note(planned: PlannedRun) -> str:
    """Describe the run in Markdown, for visitors of MLflow's page."""
    config = planned.config
    experiment, data = config.experiment, config.data
    return (
        f"**{config.experiment_name}** (model `{experiment.model.name}`, seed {config.seed}): trained on "
        f"{data.train_size:,} reviews for at most {experiment.training.epochs} epochs. The epoch of lowest "
        f"`val/loss` ({data.val_size:,} reviews) was scored once on {data.test_size:,} test reviews.\n\n"
        "- Losses are cross-entropy in nats; accuracy, F1 and ROC-AUC go from 0 to 1; seconds are wall time.\n"
        "- `best_...`: of the epoch that was chosen; `val/...` and `train/...` show the last epoch's value.\n"
        "- Artifacts: `predictions.parquet` (one line per test review), `learning_curve.png`, "
        "`confusion_matrix.png`, `config.yaml`, `environment.json`, `constraints.txt`.\n"
        "- `challenge/NAME/...`: scores on challenge sets, reviews beyond the test part that choose nothing; "
        "what the model predicts of them is in `challenges/`.\n"
        "- With this run's id: `python -m benchmark predict --run ID TEXT`, `compare ID ID`, `reproduce ID`."
    )
