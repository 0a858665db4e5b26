"""Plans and runs in MLflow's store: made, found again, read back."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.tracking import tags
from benchmark.tracking.client import (
    StoreError,
    TrackingError,
    quiet_client,
    sqlite_file,
    stop_waiting,
    store_exists,
    without_secrets,
)
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import STUDY, THROUGHPUT, PlanRecord, RunRecord, Status, Throughput
from benchmark.tracking.view import EXPERIMENT_NOTE, VIEW_TAG, view_state

if TYPE_CHECKING:
    from mlflow.entities import Run
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PLAN_FILE = "plan.json"


class TrackingStore:
    """A tracking store, made ready for use.

    Args:
        uri: MLflow's tracking URI.
        cache_dir: where the lock lies under which a new database is created.
        probe: a server that does not answer is told at once; in the middle of a plan it is waited for.

    Raises:
        TrackingError: the store cannot be opened. All methods raise it, as StoreError, where the store fails later.
    """

    def __init__(self, uri: str, cache_dir: Path, *, probe: bool = True) -> None:
        self.uri = uri
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrackingError(f"--cache-dir {cache_dir}: cannot be made: {error.strerror}") from None
        self._client = quiet_client(uri, cache_dir / "tracking.lock", probe=probe)

    @classmethod
    def existing(cls, uri: str, cache_dir: Path) -> TrackingStore | None:
        """The store, or None where it is an sqlite file that is not there: reading makes no new one.

        Raises:
            TrackingError: the store cannot be opened.
        """
        return cls(uri, cache_dir) if store_exists(uri) else None

    def stop_waiting(self) -> None:
        """From now on wait for nothing: the user has interrupted us."""
        stop_waiting(self._client)

    def open_plan(self, plan: PlanRecord) -> str:
        """Id of the plan's parent run: the one with its tag, reopened, or a new one.

        Two processes must not call this for one plan at once, or each makes a parent; see suite.py.
        """
        experiment_id = self._experiment_id(plan.profile)
        self._client.set_experiment_tag(experiment_id, VIEW_TAG, view_state())
        found = find_runs(self._client, [experiment_id], f"tags.`{tags.PLAN}` = '{plan.fingerprint}'")
        if found:
            run_id = str(found[0].info.run_id)
            self._client.update_run(run_id, status=Status.RUNNING.value)
        else:
            name = f"plan: {len(plan.models)} models x {len(plan.seeds)} seed{'s' if len(plan.seeds) > 1 else ''}"
            labels = tags.origin_tags(f"run all --profile {plan.profile}")
            labels |= {tags.KIND: "plan", tags.PLAN: plan.fingerprint, tags.NOTE: plan.describe()}
            run_id = str(self._create_run(experiment_id, name, labels).info.run_id)
        # To a found run too: a kill may have come before its file was written.
        self._client.log_dict(run_id, plan.to_json(), _PLAN_FILE)
        # The newest use of a plan makes it the latest one, which is the one that `report` reports.
        self._client.set_tag(run_id, tags.USED_AT, f"{time.time():.3f}")
        return run_id

    def close_plan(self, run_id: str, status: Status) -> None:
        """The plan's last write."""
        self._client.set_terminated(run_id, status.value)

    def open_plans(self, profile: str) -> dict[str, str]:
        """Ids of the profile's plans that say RUNNING, each with the plan's fingerprint."""
        runs = find_runs(
            self._client, self._find_experiment(profile), f"tags.`{tags.KIND}` = 'plan' AND status = 'RUNNING'"
        )
        return {str(run.info.run_id): run.data.tags[tags.PLAN] for run in runs}

    def latest_plan(self, profile: str) -> PlanRecord | None:
        """The plan of the profile that was used last, or None.

        Raises:
            TrackingError: its file cannot be read.
        """
        run_id = self._latest_plan_run(profile)
        if run_id is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            try:
                content = self.artifact(run_id, _PLAN_FILE, Path(folder)).read_text(encoding="utf-8")
                return PlanRecord.from_json(json.loads(content))
            except (OSError, ValueError, TrackingError) as error:
                raise TrackingError(
                    f"{without_secrets(self.uri, self.uri)}: {_PLAN_FILE} of run {run_id} cannot be read "
                    f"({without_secrets(str(error), self.uri)}); `python -m benchmark run` writes it anew"
                ) from None

    def log_report(self, profile: str, folder: Path) -> None:
        """Keep the folder's files under `report/` of the profile's latest plan."""
        if (run_id := self._latest_plan_run(profile)) is not None:
            self._client.log_artifacts(run_id, str(folder), "report")

    def open_study(self, profile: str, study: str, name: str, labels: Mapping[str, str]) -> MlflowTracker:
        """The parent run of a study's trials: the one with its tag, RUNNING again, or a new one; see `open_plan`."""
        found = self._records(profile, f"tags.`{tags.KIND}` = '{STUDY}' AND tags.`{tags.STUDY}` = '{study}'")
        if not found:
            return self.start_run(profile, name, labels)
        tracker = self.reopen(found[0].run_id)
        tracker.resume()
        tracker.set_tags({tags.LOCK: labels[tags.LOCK]})
        return tracker

    def start_run(self, profile: str, name: str, labels: Mapping[str, str]) -> MlflowTracker:
        """A new run of status RUNNING in the profile's experiment.

        Args:
            profile: whose experiment.
            name: what people call the run.
            labels: its tags, by the names in tags.py.
        """
        run = self._create_run(self._experiment_id(profile), name, labels)
        return MlflowTracker(self._client, str(run.info.run_id), str(run.info.experiment_id))

    def reopen(self, run_id: str) -> MlflowTracker:
        """The log of a run that exists; what it has logged already is not logged again.

        Raises:
            TrackingError: there is no such run.
        """
        return MlflowTracker.of(self._client, self._get(run_id))

    def run(self, run_id: str) -> RunRecord:
        """One run as it stands now.

        Raises:
            TrackingError: there is no such run.
        """
        return run_record(self._get(run_id))

    def runs(self, profile: str, kind: str = "run") -> list[RunRecord]:
        """All runs of the profile, newest first, whatever their status."""
        return self._records(profile, f"tags.`{tags.KIND}` = '{kind}'")

    def speeds(self, profile: str, hardware: str = "") -> dict[str, Throughput]:
        """By fingerprint, what `throughput` measured last, here or where that was: never on two machines."""
        runs = [run for run in self.runs(profile, THROUGHPUT) if run.status is Status.FINISHED]
        machine = hardware or (runs[0].tags.get("hardware") if runs else None)
        wanted = [run for run in reversed(runs) if run.tags.get("hardware") == machine]
        return {run.fingerprint: Throughput.from_metrics(run.metrics) for run in wanted}

    def runs_of(self, profile: str, fingerprint: str, seed: int, kind: str = "run") -> list[RunRecord]:
        """The runs of one identity, newest first."""
        query = (
            f"tags.`{tags.KIND}` = '{kind}' AND tags.`{tags.FINGERPRINT}` = '{fingerprint}' "
            f"AND tags.`{tags.SEED}` = '{seed}'"
        )
        return self._records(profile, query)

    def find_run(self, start: str) -> RunRecord:
        """The run of any profile and kind whose id begins so; plans are none.

        Raises:
            TrackingError: there is none, or there are several.
        """
        known = self._client.search_experiments()
        experiments = [str(each.experiment_id) for each in known if each.name.startswith(tags.EXPERIMENT_PREFIX)]
        candidates = find_runs(self._client, experiments, f"tags.`{tags.FINGERPRINT}` != ''")
        found = [run for run in candidates if run.info.run_id.startswith(start)]
        if len(found) != 1:
            raise TrackingError(
                f"{len(found) or 'no'} runs have an id that begins with {start!r}; "
                "`python -m benchmark list` and the MLflow UI show them in full"
            )
        return run_record(found[0])

    def experiment_of(self, profile: str) -> str | None:
        """Id of the profile's MLflow experiment, None where there is none yet.

        Raises:
            TrackingError: it was deleted.
        """
        return next(iter(self._find_experiment(profile)), None)

    def artifact(self, run_id: str, name: str, folder: Path) -> Path:
        """A copy, in `folder`, of an artifact of the run.

        Raises:
            TrackingError: it is missing or cannot be read.
        """
        try:
            return Path(self._client.download_artifacts(run_id, name, str(folder)))
        except StoreError as error:
            raise TrackingError(f"artifact {name} of run {run_id} cannot be read ({error.reason})") from None

    def model_bundle(self, run_id: str, folder: Path) -> Path:
        """The folder with the files of the run's model: where they lie, or a copy in `folder` if that is elsewhere.

        Raises:
            TrackingError: the run has no model, or it cannot be read.
        """
        from mlflow.exceptions import MlflowException

        from benchmark.tracking.logged_model import fetch_bundle, ready_model

        model = ready_model(self._client, self._get(run_id).info.experiment_id, run_id)
        if model is None:
            raise TrackingError(f"run {run_id} has no model; `python -m benchmark run --fresh` does it again with one")
        try:
            return fetch_bundle(self._client, model, folder)
        except (OSError, MlflowException) as error:
            reason = without_secrets(str(error), self.uri)
            raise TrackingError(f"model {model.model_id} of run {run_id} cannot be read ({reason})") from None

    def history(self, run_id: str, key: str) -> dict[int, float]:
        """A metric's values by step."""
        return {metric.step: metric.value for metric in self._client.get_metric_history(run_id, key)}

    def supersede(self, run_id: str) -> None:
        """The run stays in MLflow and counts no more: not in a table, not for what is left to do."""
        self._client.set_tag(run_id, tags.KIND, tags.SUPERSEDED)

    def delete_unfinished_models(self, run_id: str) -> None:
        """Delete the models of the run whose upload a kill broke off; `mlflow gc` removes their files."""
        from benchmark.tracking.logged_model import drop_unfinished

        drop_unfinished(self._client, self._get(run_id).info.experiment_id, run_id)

    def _latest_plan_run(self, profile: str) -> str | None:
        plans = find_runs(self._client, self._find_experiment(profile), f"tags.`{tags.KIND}` = 'plan'")
        latest = max(plans, key=lambda run: float(run.data.tags.get(tags.USED_AT, "0")), default=None)
        return None if latest is None else str(latest.info.run_id)

    def _records(self, profile: str, query: str) -> list[RunRecord]:
        return [run_record(run) for run in find_runs(self._client, self._find_experiment(profile), query)]

    def _get(self, run_id: str) -> Run:
        try:
            return self._client.get_run(run_id)
        except StoreError as error:
            if not error.refused:
                raise
            raise TrackingError(f"there is no run {run_id} ({error.reason})") from None

    def _create_run(self, experiment_id: str, name: str, labels: Mapping[str, str]) -> Run:
        """A new run, and only one: a request whose answer was lost is made again and may have made one before."""
        request = uuid.uuid4().hex
        run = self._client.create_run(experiment_id, run_name=name, tags={**labels, tags.REQUEST: request})
        for twin in find_runs(self._client, [experiment_id], f"tags.`{tags.REQUEST}` = '{request}'"):
            if twin.info.run_id != run.info.run_id:
                self._client.delete_run(twin.info.run_id)
        return run

    def _experiment_id(self, profile: str) -> str:
        """The profile's experiment, made if there is none."""
        found = self._find_experiment(profile)
        if found:
            return found[0]
        name = tags.experiment_name(profile)
        file = sqlite_file(self.uri)
        # Beside the database; MLflow's own choice would be the working directory, whichever that is.
        beside = (file.resolve().parent / "mlruns" / name).as_uri() if file is not None else None
        try:
            return str(self._client.create_experiment(name, beside, tags={tags.NOTE: EXPERIMENT_NOTE}))
        except StoreError as error:
            found = self._find_experiment(profile) if error.refused else []
            if not found:
                raise
            return found[0]  # made meanwhile: by another process, or by a request of ours whose answer was lost

    def _find_experiment(self, profile: str) -> list[str]:
        name = tags.experiment_name(profile)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return []
        if experiment.lifecycle_stage == "deleted":
            raise TrackingError(
                f"MLflow experiment {name!r} was deleted; bring it back with "
                f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
            )
        return [str(experiment.experiment_id)]


def find_runs(client: MlflowClient, experiment_ids: list[str], query: str) -> list[Run]:
    """All runs of these experiments that fit, newest first."""
    runs: list[Run] = []
    if not experiment_ids:
        return runs
    token = None
    while True:
        page = client.search_runs(experiment_ids, query, order_by=["attributes.start_time DESC"], page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def run_record(run: Run) -> RunRecord:
    """The run as it stood when MLflow gave it."""
    labels = run.data.tags
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name,
        experiment=labels.get(tags.EXPERIMENT, "?"),
        seed=int(labels.get(tags.SEED, "0")),
        fingerprint=labels.get(tags.FINGERPRINT, "?"),
        status=Status(run.info.status),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(labels),
        error=labels.get(tags.ERROR, ""),
        lock=labels.get(tags.LOCK, ""),
        artifacts=run.info.artifact_uri or "",
    )
