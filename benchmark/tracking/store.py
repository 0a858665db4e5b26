"""Plans and runs in MLflow's store: created, found again, read back."""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.output import clip
from benchmark.tracking import tags
from benchmark.tracking.address import local_path, sqlite_file, store_exists, without_secrets
from benchmark.tracking.client import StoreError, TrackingError, quiet_client, stop_waiting
from benchmark.tracking.files import files_address
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import PLAN, STUDY, THROUGHPUT, PlanEntry, PlanRecord, RunRecord, Status
from benchmark.tracking.speed import Throughput
from benchmark.tracking.view import EXPERIMENT_NOTE, VIEW_TAG, view_state

if TYPE_CHECKING:
    from mlflow.entities import Run

_PLAN_FILE = "plan.json"
_PLAN_TITLE = "plan: "  # before its name, in MLflow's list


class TrackingStore:
    """An open tracking store.

    Args:
        uri: MLflow's tracking URI.
        cache_dir: where the lock is under which a new database is created.
        probe: fail at once if a server does not answer; in the middle of a plan it is waited for.

    Raises:
        TrackingError: the store cannot be opened. All methods raise it for a run, plan or file that is missing or
            cannot be read, and as StoreError if the store fails.
    """

    def __init__(self, uri: str, cache_dir: Path, *, probe: bool = True) -> None:
        self.uri = uri
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrackingError(f"--cache-dir {cache_dir}: cannot be created ({error.strerror})") from None
        self._client = quiet_client(uri, cache_dir / "tracking.lock", probe=probe)

    @classmethod
    def existing(cls, uri: str, cache_dir: Path) -> TrackingStore | None:
        """Open the store, or return None for an sqlite file that does not exist: reading creates none."""
        return cls(uri, cache_dir) if store_exists(uri) else None

    def stop_waiting(self) -> None:
        """Wait no more for a store that is locked or gone: the user has interrupted us."""
        stop_waiting(self._client)

    # Plans and studies

    def open_plan(self, plan: PlanRecord, name: str = "", lock: str = "") -> str:
        """Reopen the plan's parent run, found by its tag, or create it; record its lock and return its id.

        Two processes must not do this for one plan at once, or each creates a parent; see run_plan.py.
        """
        experiment_id = self._experiment_id(plan.profile)
        self._client.set_experiment_tag(experiment_id, VIEW_TAG, view_state())
        found = next(self._find(plan.profile, f"tags.`{tags.PLAN}` = '{plan.fingerprint}'"), None)
        if found is not None:
            run_id = str(found.info.run_id)
            # First: who sees a RUNNING plan and a dead lock takes it for killed.
            self._client.set_tag(run_id, tags.LOCK, lock)
            self._client.update_run(run_id, status=Status.RUNNING.value)
        else:
            labels = tags.origin_tags(f"run all --profile {plan.profile}")
            labels |= {tags.KIND: PLAN, tags.PLAN: plan.fingerprint, tags.NOTE: plan.describe(), tags.LOCK: lock}
            title = f"{_PLAN_TITLE}{name or plan.profile}"
            run_id = str(self._create_run(experiment_id, title, labels).info.run_id)
        # For a found run too: a kill may have come before its file was written.
        self._client.log_dict(run_id, plan.to_json(), _PLAN_FILE)
        self._client.set_tag(run_id, tags.USED_AT, f"{time.time():.3f}")
        return run_id

    def close_plan(self, run_id: str, status: Status) -> None:
        """Write the plan's status, last."""
        self._client.set_terminated(run_id, status.value)

    def plans(self, profile: str) -> list[PlanEntry]:
        """Return the profile's plans, the one used last first."""
        found = list(self._find(profile, f"tags.`{tags.KIND}` = '{PLAN}'"))
        used = {run.info.run_id: float(run.data.tags.get(tags.USED_AT, "0")) for run in found}
        found.sort(key=lambda run: used[run.info.run_id])
        # Two machines that began at once recorded one plan twice.
        latest = {run.data.tags[tags.PLAN]: run for run in found}.values()
        runs = sorted(latest, key=lambda run: used[run.info.run_id], reverse=True)
        return [
            PlanEntry(
                run_id=run.info.run_id,
                name=clip(run.info.run_name.removeprefix(_PLAN_TITLE), 200),
                fingerprint=run.data.tags[tags.PLAN],
                used_at=used[run.info.run_id],
                number=number,
                count=len(runs),
                artifacts=run.info.artifact_uri,
            )
            for number, run in enumerate(runs, start=1)
        ]

    def plan(self, entry: PlanEntry) -> PlanRecord:
        """Read what the plan wants."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                content = self.file(entry, _PLAN_FILE, Path(folder)).read_text(encoding="utf-8")
                return PlanRecord.from_json(json.loads(content))
            except (OSError, ValueError, TrackingError) as error:
                raise TrackingError(
                    f"{without_secrets(self.uri)}: {_PLAN_FILE} of run {entry.run_id} cannot be read "
                    f"({without_secrets(str(error), self.uri)}). Run plan {entry} again, or choose another by `--plan`"
                ) from None

    def log_report(self, plan_run_id: str, folder: Path) -> None:
        """Log the folder's files under `report/` of the plan's parent run."""
        self._client.log_artifacts(plan_run_id, str(folder), "report")

    def open_study(self, profile: str, study: str, name: str, labels: Mapping[str, str]) -> MlflowTracker:
        """Reopen the parent run of a study's trials, found by its tag, or create it; see `open_plan`."""
        found = next(self._find(profile, f"tags.`{tags.KIND}` = '{STUDY}' AND tags.`{tags.STUDY}` = '{study}'"), None)
        if found is None:
            return self.start_run(profile, name, labels)
        tracker = MlflowTracker(self._client, found)
        tracker.resume({tags.LOCK: labels[tags.LOCK]})
        return tracker

    # Runs

    def start_run(self, profile: str, name: str, labels: Mapping[str, str]) -> MlflowTracker:
        """Create a run of status RUNNING in the profile's experiment, with these tags (see tags.py)."""
        return MlflowTracker(self._client, self._create_run(self._experiment_id(profile), name, labels))

    def reopen(self, run_id: str) -> MlflowTracker:
        """Return the log of an existing run; what it has logged is not logged again."""
        return MlflowTracker(self._client, self._get(run_id))

    def run(self, run_id: str) -> RunRecord:
        """Read one run as it is now."""
        return RunRecord.of(self._get(run_id))

    def runs(self, profile: str, kind: str = "run", status: Status | None = None) -> list[RunRecord]:
        """Read all runs of the profile, newest first, of this status or of any."""
        query = f"tags.`{tags.KIND}` = '{kind}'" + (f" AND attributes.status = '{status.value}'" if status else "")
        return [RunRecord.of(run) for run in self._find(profile, query)]

    def runs_of(self, profile: str, fingerprint: str, seed: int, kind: str = "run") -> list[RunRecord]:
        """Read the runs of one identity, newest first."""
        wanted = {tags.KIND: kind, tags.FINGERPRINT: fingerprint, tags.SEED: str(seed)}
        query = " AND ".join(f"tags.`{name}` = '{value}'" for name, value in wanted.items())
        return [RunRecord.of(run) for run in self._find(profile, query)]

    def find_run(self, prefix: str) -> RunRecord:
        """Read the run, of any profile and kind but a plan, whose id begins with the prefix."""
        known = self._client.search_experiments()
        experiments = [str(each.experiment_id) for each in known if each.name.startswith(tags.EXPERIMENT_PREFIX)]
        candidates = self._search(experiments, f"tags.`{tags.FINGERPRINT}` != ''")
        found = [run for run in candidates if run.info.run_id.startswith(prefix)]
        if len(found) != 1:
            raise TrackingError(
                f"{len(found) or 'no'} runs have an id that begins with {prefix!r}. "
                "See the ids by `python -m benchmark list` or `python -m benchmark ui`."
            )
        return RunRecord.of(found[0])

    def supersede(self, run_id: str) -> None:
        """Keep the run in MLflow, ended, and count it no more: not in a table, not for what is left to do."""
        self._client.set_tag(run_id, tags.KIND, tags.SUPERSEDED)
        if self.run(run_id).status is Status.RUNNING:
            self.reopen(run_id).finish(Status.KILLED, "superseded while it was RUNNING")

    def speeds(self, profile: str, hardware: str = "") -> dict[str, Throughput]:
        """Return by fingerprint what `throughput` measured last, on this hardware or, if empty, on the last used.

        What was measured while the machine was busy is left out.
        """
        runs = [run for run in self.runs(profile, THROUGHPUT) if run.status is Status.FINISHED]
        speeds = [(run, speed) for run in runs if not (speed := Throughput.from_metrics(run.metrics)).busy]
        machine = hardware or (speeds[0][0].tags.get("hardware") if speeds else None)
        wanted = [(run, speed) for run, speed in reversed(speeds) if run.tags.get("hardware") == machine]
        return {run.fingerprint: speed for run, speed in wanted}

    def history(self, run_id: str, key: str) -> dict[int, float]:
        """Return a metric's values by step."""
        return {metric.step: metric.value for metric in self._client.get_metric_history(run_id, key)}

    def artifact(self, run_id: str, name: str, folder: Path) -> Path:
        """Copy an artifact of the run into the folder."""
        try:
            return Path(self._client.download_artifacts(run_id, name, str(folder)))
        except StoreError as error:
            raise TrackingError(f"artifact {name} of run {run_id} cannot be read ({error.reason})") from None

    def file(self, run: RunRecord | PlanEntry, name: str, folder: Path) -> Path:
        """Return the path of a file of the run: the original on this machine's disk, else a copy in the folder."""
        # MLflow takes 20 ms per file and copies it: 8 s of a report over 400 runs.
        root = local_path(run.artifacts)
        if root is not None and os.path.isfile(root / name):  # noqa: PTH113 - see files.py
            return root / name
        folder.mkdir(exist_ok=True)
        return self.artifact(run.run_id, name, folder)

    def model_bundle(self, run_id: str, folder: Path) -> Path:
        """Return the folder of the run's model: the original on this machine's disk, else a copy in `folder`."""
        from mlflow.exceptions import MlflowException

        from benchmark.tracking.logged_model import fetch_bundle

        model = self.reopen(run_id).model()
        if model is None:
            raise TrackingError(
                f"run {run_id} has no model, as imported runs. `python -m benchmark run NAME --fresh` makes one."
            )
        try:
            return fetch_bundle(self._client, model, folder)
        except (OSError, MlflowException) as error:
            reason = without_secrets(str(error), self.uri)
            raise TrackingError(f"model {model.model_id} of run {run_id} cannot be read ({reason})") from None

    # MLflow

    def profiles(self) -> list[str]:
        """Return the profiles that have an MLflow experiment."""
        names = (experiment.name for experiment in self._client.search_experiments())
        prefix = tags.EXPERIMENT_PREFIX
        return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]

    def experiment_of(self, profile: str) -> str | None:
        """Return the id of the profile's MLflow experiment, None before its first run."""
        name = tags.experiment_name(profile)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return None
        if experiment.lifecycle_stage == "deleted":
            raise TrackingError(
                f"MLflow experiment {name!r} was deleted. Restore it by "
                f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`."
            )
        return str(experiment.experiment_id)

    def _experiment_id(self, profile: str) -> str:
        """Return the id of the profile's experiment, created if there is none."""
        if (found := self.experiment_of(profile)) is not None:
            return found
        name = tags.experiment_name(profile)
        file = sqlite_file(self.uri)
        beside = files_address(file, name) if file is not None else None
        try:
            return str(self._client.create_experiment(name, beside, tags={tags.NOTE: EXPERIMENT_NOTE}))
        except StoreError as error:
            # Created in the meantime: by another process, or by a request of ours whose answer was lost.
            if error.refused and (found := self.experiment_of(profile)) is not None:
                return found
            raise

    def _create_run(self, experiment_id: str, name: str, labels: Mapping[str, str]) -> Run:
        """Create one run: a request whose answer was lost is repeated, and the run that it created is deleted."""
        request = uuid.uuid4().hex
        run = self._client.create_run(experiment_id, run_name=name, tags={**labels, tags.REQUEST: request})
        for twin in self._search([experiment_id], f"tags.`{tags.REQUEST}` = '{request}'"):
            if twin.info.run_id != run.info.run_id:
                self._client.delete_run(twin.info.run_id)
        return run

    def _get(self, run_id: str) -> Run:
        try:
            return self._client.get_run(run_id)
        except StoreError as error:
            if not error.refused:
                raise
            raise TrackingError(f"there is no run {run_id} ({error.reason})") from None

    def _find(self, profile: str, query: str) -> Iterator[Run]:
        experiment_id = self.experiment_of(profile)
        return iter(()) if experiment_id is None else self._search([experiment_id], query)

    def _search(self, experiment_ids: list[str], query: str) -> Iterator[Run]:
        """Yield all runs of these experiments that fit, newest first."""
        page, newest_first = None, ["attributes.start_time DESC"]
        while experiment_ids and (page is None or page.token):
            token = page.token if page is not None else None
            page = self._client.search_runs(experiment_ids, query, order_by=newest_first, page_token=token)
            yield from page
