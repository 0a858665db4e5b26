"""The record: runs written to MLflow and read back. The only file that writes with MLflow."""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from filelock import FileLock

from benchmark.records import PlanRecord, RunRecord, Status
from data_pipeline.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"  # MLflow's own default, so a plain `mlflow ui` here shows our runs
_KIND, _PLAN = "benchmark.kind", "benchmark.plan"
_EXPERIMENT, _SEED, _FINGERPRINT = "benchmark.experiment", "benchmark.seed", "benchmark.fingerprint"
_ERROR, _PARENT, _NOTE = "benchmark.error", "mlflow.parentRunId", "mlflow.note.content"
_PLAN_FILE = "plan.json"
_EXPERIMENT_NOTE = (
    "Sentiment of IMDB reviews. Each parent run is a plan: the models and seeds to compare on one split. The runs "
    "nested below it are one model with one seed each. Compare them by `test/accuracy`; `val/loss` chose each run's "
    "epoch."
)


class TrackingError(InputError):
    """A tracking store that cannot be reached or read; the message says which and what to do."""


class Tracker(Protocol):
    """One run's log, from RUNNING to its end."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Facts about the run."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Settings, nested mappings flattened with dots."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Values at a step, in one request."""

    def log_artifacts(self, folder: Path) -> None:
        """All files of a folder."""

    def finish(self, status: Status, error: str = "") -> None:
        """The last write of a run."""


class NullTracker:
    """Keeps nothing; the loop needs no `if`."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """See Tracker."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """See Tracker."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """See Tracker."""

    def log_artifacts(self, folder: Path) -> None:
        """See Tracker."""

    def finish(self, status: Status, error: str = "") -> None:
        """See Tracker."""


class MlflowTracker:
    """One MLflow run."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """See Tracker."""
        from mlflow.entities import RunTag

        self._client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_params(self, params: Mapping[str, Any]) -> None:
        """See Tracker."""
        from mlflow.entities import Param

        self._client.log_batch(self.run_id, params=[Param(key, str(value)) for key, value in _flat(params)])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """See Tracker."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.run_id, [Metric(key, value, now, step) for key, value in metrics.items()])

    def log_artifacts(self, folder: Path) -> None:
        """See Tracker."""
        self._client.log_artifacts(self.run_id, str(folder))

    def finish(self, status: Status, error: str = "") -> None:
        """See Tracker."""
        if error:
            self.set_tags({_ERROR: error[:5000]})
        self._client.set_terminated(self.run_id, status.value)


class TrackingStore:
    """A tracking store, made ready for use.

    Args:
        uri: MLflow's tracking URI.
        cache_dir: where the lock lies under which a new database is created.

    Raises:
        TrackingError: the store cannot be opened.
    """

    def __init__(self, uri: str, cache_dir: Path) -> None:
        self.uri = uri
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrackingError(f"--cache-dir {cache_dir}: cannot be made: {error.strerror}") from None
        self._client = _quiet_client(uri, cache_dir / "tracking.lock")

    @classmethod
    def existing(cls, uri: str, cache_dir: Path) -> TrackingStore | None:
        """The store, or None where it is an sqlite file that is not there: reading makes no new one.

        Raises:
            TrackingError: the store cannot be opened.
        """
        scheme, _, file = uri.partition(":///")
        return None if scheme == "sqlite" and not Path(file).exists() else cls(uri, cache_dir)

    def open_plan(self, plan: PlanRecord) -> str:
        """Id of the plan's parent run: the one with its tag, reopened, or a new one."""
        experiment_id = self._experiment_id(plan.profile)
        found = self._search(experiment_id, f"tags.`{_PLAN}` = '{plan.fingerprint}'")
        if found:
            run_id = str(found[0].info.run_id)
            self._client.update_run(run_id, status=Status.RUNNING.value)
        else:
            name = f"plan: {len(plan.rows)} models x {len(plan.seeds)} seed{'s' if len(plan.seeds) > 1 else ''}"
            tags = {_KIND: "plan", _PLAN: plan.fingerprint, _NOTE: plan.describe()}
            run_id = str(self._client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)
        # To a found run too: a kill may have come before its file was written.
        self._client.log_dict(run_id, plan.to_json(), _PLAN_FILE)
        # The newest use of a plan makes it the latest one, which is the one that `report` reports.
        self._client.set_tag(run_id, "benchmark.used_at", f"{time.time():.3f}")
        return run_id

    def close_plan(self, run_id: str, status: Status) -> None:
        """The plan's last write."""
        self._client.set_terminated(run_id, status.value)

    def latest_plan(self, profile: str) -> PlanRecord | None:
        """The plan of the profile that was used last, or None.

        Raises:
            TrackingError: its file cannot be read.
        """
        plans = self._search(self._find_experiment(profile), f"tags.`{_KIND}` = 'plan'")
        if not plans:
            return None
        latest = max(plans, key=lambda run: float(run.data.tags.get("benchmark.used_at", "0")))
        return self._read_plan(str(latest.info.run_id))

    def _read_plan(self, run_id: str) -> PlanRecord:
        from mlflow.exceptions import MlflowException

        with tempfile.TemporaryDirectory() as folder:
            try:
                path = self._client.download_artifacts(run_id, _PLAN_FILE, folder)
                return PlanRecord.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
            except (OSError, ValueError, MlflowException) as error:
                raise TrackingError(
                    f"{_without_secrets(self.uri, self.uri)}: {_PLAN_FILE} of run {run_id} cannot be read "
                    f"({_without_secrets(str(error), self.uri)}); `python -m benchmark run` writes it anew"
                ) from None

    def start_run(
        self, profile: str, parent_id: str, name: str, *, experiment: str, seed: int, fingerprint: str, note: str
    ) -> MlflowTracker:
        """A new run of status RUNNING below the plan's parent run."""
        tags = {
            _KIND: "run",
            _PARENT: parent_id,
            _EXPERIMENT: experiment,
            _SEED: str(seed),
            _FINGERPRINT: fingerprint,
            _NOTE: note,
        }
        run = self._client.create_run(self._experiment_id(profile), run_name=name, tags=tags)
        return MlflowTracker(self._client, str(run.info.run_id))

    def reopen(self, run_id: str) -> MlflowTracker:
        """The log of a run that exists."""
        return MlflowTracker(self._client, run_id)

    def runs(self, profile: str) -> list[RunRecord]:
        """All runs of the profile, newest first, whatever their status."""
        return [_record(run) for run in self._search(self._find_experiment(profile), f"tags.`{_KIND}` = 'run'")]

    def _experiment_id(self, profile: str) -> str:
        """The profile's experiment, made if there is none."""
        tags = {_NOTE: _EXPERIMENT_NOTE}
        return self._find_experiment(profile) or str(
            self._client.create_experiment(experiment_name(profile), tags=tags)
        )

    def _find_experiment(self, profile: str) -> str | None:
        name = experiment_name(profile)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return None
        if experiment.lifecycle_stage == "deleted":
            raise TrackingError(
                f"MLflow experiment {name!r} was deleted; bring it back with "
                f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
            )
        return str(experiment.experiment_id)

    def _search(self, experiment_id: str | None, query: str) -> list[Run]:
        runs: list[Run] = []
        if experiment_id is None:
            return runs
        token = None
        while True:
            page = self._client.search_runs(
                [experiment_id], query, order_by=["attributes.start_time DESC"], page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs


def experiment_name(profile: str) -> str:
    """MLflow's experiment for a profile."""
    return f"imdb-{profile}"


def tracking_uri(option: str | None) -> str:
    """The store to use: the option's, else MLFLOW_TRACKING_URI's, else mlflow.db in the working directory."""
    return option or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI


def _record(run: Run) -> RunRecord:
    tags = run.data.tags
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name,
        experiment=tags.get(_EXPERIMENT, "?"),
        seed=int(tags.get(_SEED, "0")),
        fingerprint=tags.get(_FINGERPRINT, "?"),
        status=Status(run.info.status),
        metrics=dict(run.data.metrics),
        error=tags.get(_ERROR, ""),
    )


def _quiet_client(uri: str, lock: Path) -> MlflowClient:
    """A client that sends no telemetry and prints nothing of its own."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        _refuse_unreachable(uri)
        with FileLock(lock):  # two processes that create the tables at once leave neither with a database
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, ImportError, OSError, ValueError) as error:
        raise TrackingError(
            f"tracking store {_without_secrets(uri, uri)}: cannot be opened ({_without_secrets(str(error), uri)}); "
            "check --tracking-uri or MLFLOW_TRACKING_URI"
        ) from None
    return client


def _refuse_unreachable(uri: str) -> None:
    """Knock at a server's door once: MLflow itself would try again for minutes before it says that nobody is there."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=10).close()


def _without_secrets(text: str, uri: str) -> str:
    """The text in one line, without the user and password that the URI may carry."""
    secret = urlsplit(uri).netloc.rpartition("@")[0]
    line = " ".join(text.split())[:300]
    return line.replace(f"{secret}@", "") if secret else line


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
