"""One run's log in MLflow."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self

from benchmark.records import DatasetRecord, Status, flattened
from benchmark.tracking import tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SYSTEM_METRICS_SECONDS = 10  # between two samples of processor, memory and disk
_SYSTEM_PREFIX = "system/"

P = ParamSpec("P")


def _timed(
    method: Callable[Concatenate[MlflowTracker, P], None],
) -> Callable[Concatenate[MlflowTracker, P], None]:
    """The method, whose wall time is added to the tracker's `seconds`."""

    @wraps(method)
    def call(tracker: MlflowTracker, /, *arguments: P.args, **named: P.kwargs) -> None:
        started = time.perf_counter()
        try:
            method(tracker, *arguments, **named)
        finally:
            tracker.seconds += time.perf_counter() - started

    return call


class MlflowTracker:
    """One MLflow run.

    Args:
        client: of the run's store.
        run_id: MLflow's id.
        experiment_id: MLflow's id of the profile's experiment.
        logged: (key, step) of the metrics that the run has already; they are not logged again.
        params: names of the params that the run has already; MLflow refuses another value.

    Attributes:
        run_id: MLflow's id.
        seconds: wall time that logging has taken so far.
    """

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        experiment_id: str,
        logged: Iterable[tuple[str, int]] = (),
        params: Iterable[str] = (),
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._logged, self._params = set(logged), set(params)
        self.run_id = run_id
        self.seconds = 0.0
        self._model_id: str | None = None

    @classmethod
    def of(cls, client: MlflowClient, run: Run) -> Self:
        """The log of a run that exists."""
        run_id = str(run.info.run_id)
        logged = [
            (key, metric.step)
            for key in run.data.metrics
            if not key.startswith(_SYSTEM_PREFIX)
            for metric in client.get_metric_history(run_id, key)
        ]
        return cls(client, run_id, str(run.info.experiment_id), logged, run.data.params)

    def resume(self) -> None:
        """The run goes on: RUNNING again, without the error it ended with."""
        self._client.update_run(self.run_id, status=Status.RUNNING.value)
        if tags.ERROR in self._client.get_run(self.run_id).data.tags:
            self._client.delete_tag(self.run_id, tags.ERROR)

    @_timed
    def set_tags(self, values: Mapping[str, str]) -> None:
        """See Tracker."""
        from mlflow.entities import RunTag

        self._client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in values.items()])

    @_timed
    def log_params(self, params: Mapping[str, Any]) -> None:
        """See Tracker."""
        from mlflow.entities import Param

        new = [Param(key, str(value)) for key, value in flattened(params) if key not in self._params]
        self._client.log_batch(self.run_id, params=new)

    @_timed
    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """See Tracker."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = [
            Metric(key, value, now, step, model_id=self._model_id)
            for key, value in metrics.items()
            if (key, step) not in self._logged
        ]
        self._client.log_batch(self.run_id, new)
        self._logged |= {(metric.key, step) for metric in new}

    @_timed
    def log_datasets(self, datasets: Sequence[DatasetRecord]) -> None:
        """See Tracker."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(
                    name=dataset.name,
                    digest=dataset.digest[:32],  # MLflow takes 36 characters at most
                    source_type=dataset.source_type,
                    source=json.dumps(dataset.source),
                    schema=json.dumps({"mlflow_colspec": dataset.columns}),
                    profile=json.dumps(dataset.profile),
                ),
                [InputTag("mlflow.data.context", dataset.split)],
            )
            for dataset in datasets
        ]
        self._client.log_inputs(self.run_id, inputs)

    @_timed
    def log_artifacts(self, folder: Path) -> None:
        """See Tracker."""
        self._client.log_artifacts(self.run_id, str(folder))

    @_timed
    def log_model(self, bundle: Path, name: str, step: int = 0) -> None:
        """See Tracker. A model that the run has already is kept; metrics logged from now on are the model's too."""
        from mlflow.entities import LoggedModelOutput

        from benchmark.tracking.logged_model import ready_model, upload_model

        model = ready_model(self._client, self._experiment_id, self.run_id)
        if model is None:
            with tempfile.TemporaryDirectory() as workspace:
                model = upload_model(
                    self._client,
                    self._experiment_id,
                    self.run_id,
                    name=name,
                    bundle=bundle,
                    workspace=Path(workspace),
                )
        outputs = self._client.get_run(self.run_id).outputs
        if outputs is None or model.model_id not in {output.model_id for output in outputs.model_outputs}:
            self._client.log_outputs(self.run_id, [LoggedModelOutput(model.model_id, step)])
        self._model_id = str(model.model_id)

    def finish(self, status: Status, error: str = "") -> None:
        """See Tracker."""
        if error:
            self.set_tags({tags.ERROR: error[:5000]})
        self._client.set_terminated(self.run_id, status.value)

    @contextmanager
    def system_metrics(self) -> Iterator[None]:
        """Processor, memory, disk and network of the machine are logged while what is inside goes on."""
        from mlflow.system_metrics import system_metrics_monitor

        watch: Any = system_metrics_monitor.SystemMetricsMonitor  # it has no annotations
        monitor = watch(
            self.run_id,
            sampling_interval=SYSTEM_METRICS_SECONDS,
            resume_logging=True,
            tracking_uri=self._client.tracking_uri,
        )
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()
