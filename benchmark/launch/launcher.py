"""One run brought to its end in a process of its own, by one process at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from benchmark.launch.process import describe_exit, run_worker
from benchmark.launch.recovery import reconcile
from benchmark.plan.plan import PlannedRun
from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.client import TrackingError
from benchmark.tracking.lock import hold, hold_if_free, local_lock, lock_name
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import REPRODUCTION, RunRecord, Status, best_run
from benchmark.tracking.store import TrackingStore


@dataclass(frozen=True, slots=True)
class Ended:
    """A run as it stands when nothing is left to do for it.

    Attributes:
        run: its record.
        was_finished: it was finished before, by us or by another process that we waited for.
    """

    run: RunRecord
    was_finished: bool


@dataclass(frozen=True, slots=True)
class Launcher:
    """Does runs, each under its lock and in a child process, and writes down how they end.

    Attributes:
        store: where they are recorded.
        workspace: where they keep their state.
        say: is given each line for the reader.
        parent_id: the MLflow run below which they are nested.
        fresh: what is recorded of a run is set aside before it is done.
    """

    store: TrackingStore
    workspace: Workspace
    say: Callable[[str], None]
    parent_id: str
    fresh: bool = False

    def finish(self, planned: PlannedRun) -> Ended:
        """Skip what is finished, go on with what was interrupted or failed, do what is missing.

        Raises:
            KeyboardInterrupt: interrupted; the run is recorded as KILLED.
        """
        with hold(self.workspace.lock(planned.identity), on_wait=self._say_waiting) as lock:
            found = self._recorded(planned)
            if self.fresh:
                self._set_aside(planned)
                found = None
            if found is not None and found.status is Status.FINISHED:
                return Ended(found, was_finished=True)
            if found is not None and found.status is Status.RUNNING and local_lock(found.lock) is None:
                error = f"a process elsewhere is at work on it (lock {found.lock}); if it is gone, use --fresh"
                return Ended(replace(found, status=Status.FAILED, error=error), was_finished=False)
            tracker = self._continued(found, planned) or self.store.start_run(
                planned.config.profile, planned.config.name, self._labels(planned)
            )
            return Ended(self._run_in_child(planned, tracker, lock), was_finished=False)

    def adopt(self, planned: PlannedRun, run: RunRecord) -> None:
        """Nest the finished run below our parent: MLflow shows it with the plan that used it last."""
        if run.tags.get(tags.PARENT) != self.parent_id:
            self.store.reopen(run.run_id).set_tags({tags.PARENT: self.parent_id})
        with hold_if_free(self.workspace.lock(planned.identity)) as free:
            if free:  # nobody does it afresh
                self._forget_checkpoints(planned)  # a kill may have come between the last write and their removal

    def _say_waiting(self) -> None:
        self.say("  another process is at work on this run; waiting for its end")

    def _recorded(self, planned: PlannedRun) -> RunRecord | None:
        """The run's record, once no other process of this host is at work on it."""
        identity = (planned.fingerprint, planned.config.seed)
        found = best_run(self.store.runs_of(planned.config.profile, *identity, planned.kind), *identity)
        lock = local_lock(found.lock) if found is not None and found.status is Status.RUNNING else None
        if lock is None or lock == self.workspace.lock(planned.identity).resolve():
            return found
        with hold(lock, on_wait=self._say_waiting):  # of a process with another cache folder
            return best_run(self.store.runs_of(planned.config.profile, *identity, planned.kind), *identity)

    def _set_aside(self, planned: PlannedRun) -> None:
        for run in self.store.runs_of(planned.config.profile, planned.fingerprint, planned.config.seed, planned.kind):
            self.store.supersede(run.run_id)
        self._forget_checkpoints(planned)

    def _forget_checkpoints(self, planned: PlannedRun) -> None:
        shutil.rmtree(self.workspace.checkpoint_dir(planned.identity), ignore_errors=True)

    def _continued(self, found: RunRecord | None, planned: PlannedRun) -> MlflowTracker | None:
        """The log of the unfinished run, RUNNING again; None where a new one must be begun."""
        if found is None:
            return None
        if "val/loss" in found.metrics and not self.workspace.checkpoint_dir(planned.identity).is_dir():
            # Its epochs would be trained again, perhaps on another machine, and stand in the log as if they had not.
            self.say(f"  MLflow run {found.run_id} has lost its checkpoint and is set aside; a new one begins")
            self.store.supersede(found.run_id)
            return None
        self.store.delete_unfinished_models(found.run_id)
        tracker = self.store.reopen(found.run_id)
        tracker.resume()
        labels = self._labels(planned)
        tracker.set_tags({key: labels[key] for key in (tags.PARENT, tags.LOCK)})
        return tracker

    def _labels(self, planned: PlannedRun) -> dict[str, str]:
        """The tags that a run begins with."""
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

    def _run_in_child(self, planned: PlannedRun, tracker: MlflowTracker, lock: int) -> RunRecord:
        """Do the run in a process that holds the lock with us; its record when it has ended, however it has."""
        request = {"planned": planned.to_json(), "workspace": self.workspace.to_json(), "run_id": tracker.run_id}
        try:
            code = run_worker("benchmark.launch.worker", request, [lock])
        except KeyboardInterrupt:
            self.store.stop_waiting()
            with suppress(TrackingError):  # the next call puts it right
                self._end_if_running(tracker, Status.KILLED, "interrupted")
            raise
        return self._end_if_running(tracker, Status.FAILED, describe_exit(code))

    def _end_if_running(self, tracker: MlflowTracker, status: Status, reason: str) -> RunRecord:
        """The run's record; where its process could not say how it ended, `status` and `reason` are written for it."""
        run = self.store.run(tracker.run_id)
        if run.status is not Status.RUNNING:
            return run
        self.store.delete_unfinished_models(tracker.run_id)
        tracker.finish(status, reason)
        return self.store.run(tracker.run_id)


def run_again(planned: PlannedRun, original: RunRecord, workspace: Workspace, say: Callable[[str], None]) -> RunRecord:
    """Do a recorded run once more from its beginning, as a new MLflow run nested below it.

    Args:
        planned: the run as it was recorded.
        original: its record.
        workspace: where state is kept.
        say: is given each line for the reader.

    Raises:
        TrackingError: the store cannot be opened.
        KeyboardInterrupt: interrupted; the new run is recorded as KILLED.
    """
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir)
    reconcile(store, planned.config.profile, workspace, say)
    launcher = Launcher(store, workspace, say, original.run_id, fresh=True)
    return launcher.finish(replace(planned, kind=REPRODUCTION)).run


def _note(planned: PlannedRun) -> str:
    """What a visitor of MLflow's page is told of the run, in Markdown."""
    config = planned.config
    experiment, data = config.experiment, config.data
    return "\n".join(
        [
            f"**{config.experiment_name}** (model `{experiment.model.name}`, seed {config.seed}): trained on "
            f"{data.train_size:,} reviews for at most {experiment.training.epochs} epochs. The epoch of lowest "
            f"`val/loss` ({data.val_size:,} reviews) was scored once on {data.test_size:,} test reviews.",
            "",
            "- Losses are cross-entropy in nats; accuracy, F1 and ROC-AUC go from 0 to 1; seconds are wall time.",
            "- `best_...`: of the epoch that was chosen; `val/...` and `train/...` show the last epoch's value.",
            "- Artifacts: `predictions.parquet` (one line a test review), `learning_curve.png`, "
            "`confusion_matrix.png`, `config.yaml`, `environment.json`, `constraints.txt`.",
            "- With this run's id: `python -m benchmark predict --run ID TEXT`, `compare ID ID`, `reproduce ID`.",
        ]
    )
