"""One run's log in MLflow."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from benchmark.output import flattened
from benchmark.tracking import tags
from benchmark.tracking.client import StoreError
from benchmark.tracking.records import Status

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric, Run

SYSTEM_METRICS_SECONDS = 10  # between two samples of processor, memory and disk

Method = TypeVar("Method", bound=Callable[..., None])


def _timed(method: Method) -> Method:
    """Add the method's wall time to the tracker's `seconds`."""

    @wraps(method)
    def call(tracker: MlflowTracker, *arguments: Any, **named: Any) -> None:
        started = time.perf_counter()
        method(tracker, *arguments, **named)
        tracker.seconds += time.perf_counter() - started

    return cast(Method, call)


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One part of the corpus as a run read it; `digest` is a hash of the part's reviews, in order."""

    name: str
    split: str
    digest: str
    source_type: str
    source: Mapping[str, Any]
    columns: Sequence[Mapping[str, Any]]
    profile: Mapping[str, Any]


class MlflowTracker:
    """The log of one MLflow run, from RUNNING to its end.

    Args:
        client: of the run's store.
        run: as MLflow has it; params and metrics that it has already are not logged again.

    Attributes:
        run_id: MLflow's id.
        seconds: wall time that logging has taken so far.
    """

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self._client, self._run = client, run
        self.run_id, self._experiment_id = str(run.info.run_id), str(run.info.experiment_id)
        self.seconds = 0.0
        self._model_id: str | None = None
        self._logged_of_model: set[tuple[str, int]] = set()

    @cached_property
    def _logged(self) -> dict[tuple[str, int], Metric]:
        return {
            (metric.key, metric.step): metric
            for key in self._run.data.metrics
            if not key.startswith("system/")
            for metric in self._client.get_metric_history(self.run_id, key)
        }

    def resume(self, labels: Mapping[str, str]) -> None:
        """Set the run to RUNNING again, with these tags, without the error that it ended with."""
        self._delete_unfinished_models()
        self.set_tags(labels)  # first: who sees a RUNNING run and a dead lock takes it for killed
        self._client.update_run(self.run_id, status=Status.RUNNING.value)
        if tags.ERROR in self._run.data.tags:
            try:
                self._client.delete_tag(self.run_id, tags.ERROR)
            except StoreError as error:
                if not error.refused:  # it is gone: deleted by a request whose answer was lost
                    raise

    @_timed
    def set_tags(self, values: Mapping[str, str]) -> None:
        """Set tags, facts about the run."""
        from mlflow.entities import RunTag

        self._client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in values.items()])

    @_timed
    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log settings; nested mappings are flattened with dots. MLflow refuses another value for a logged one."""
        from mlflow.entities import Param

        logged = self._run.data.params
        new = [Param(key, str(value)) for key, value in flattened(params) if key not in logged]
        self._client.log_batch(self.run_id, params=new)

    @_timed
    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log values at a step, in one request."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = {
            (key, step): Metric(key, value, now, step, model_id=self._model_id)
            for key, value in metrics.items()
            if (key, step) not in self._logged
        }
        self._client.log_batch(self.run_id, [*new.values(), *self._lost_by_model(metrics, step)])
        self._logged.update(new)

    def next_step(self, key: str) -> int:
        """Return the step after the last at which the metric was logged, 0 for one that was not."""
        return 1 + max((step for name, step in self._logged if name == key), default=-1)

    def _lost_by_model(self, names: Iterable[str], step: int) -> list[Metric]:
        """Return what a kill left with the run and not with its model: MLflow writes to the one, then to the other.

        Value and time are unchanged, so that the run does not get them twice.
        """
        from mlflow.entities import Metric

        if self._model_id is None:
            return []
        lost = [(name, step) for name in names if (name, step) not in self._logged_of_model]
        found = [self._logged[place] for place in lost if place in self._logged]
        return [Metric(old.key, old.value, old.timestamp, old.step, model_id=self._model_id) for old in found]

    @_timed
    def log_datasets(self, datasets: Sequence[DatasetRecord]) -> None:
        """Log what the run reads."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for each in datasets:
            source, schema = json.dumps(each.source), json.dumps({"mlflow_colspec": each.columns})
            # MLflow takes a digest of 36 characters at most.
            found = Dataset(each.name, each.digest[:32], each.source_type, source, schema, json.dumps(each.profile))
            inputs.append(DatasetInput(found, [InputTag("mlflow.data.context", each.split)]))
        self._client.log_inputs(self.run_id, inputs)

    @_timed
    def log_artifacts(self, folder: Path) -> None:
        """Log all files of a folder."""
        self._client.log_artifacts(self.run_id, str(folder))

    @_timed
    def log_model(self, bundle: Path, name: str, step: int = 0) -> None:
        """Log the network that `write_bundle` wrote, chosen after epoch `step`, unless the run has a model already.

        Metrics logged afterwards belong to the model as well as to the run.
        """
        from mlflow.entities import LoggedModelOutput

        from benchmark.tracking.logged_model import upload_model

        model = self.model()
        self._logged_of_model = {(metric.key, metric.step) for metric in (model.metrics if model else None) or ()}
        if model is None:
            with tempfile.TemporaryDirectory() as folder:
                model = upload_model(self._client, self._run, name=name, bundle=bundle, folder=Path(folder, "model"))
            # Created by a request that was repeated because its answer was lost.
            self._delete_unfinished_models()
        self._model_id = str(model.model_id)
        if not self._is_output(self._model_id):
            try:
                self._client.log_outputs(self.run_id, [LoggedModelOutput(self._model_id, step)])
            except StoreError:
                if not self._is_output(self._model_id):  # MLflow refuses a repeated request
                    raise

    def model(self) -> LoggedModel | None:
        """Return the run's model whose upload is complete, or None."""
        return next((model for model in self._models() if model.status == "READY"), None)

    def _delete_unfinished_models(self) -> None:
        """Delete models whose upload was interrupted; `mlflow gc` removes their files."""
        for model in self._models():
            if model.status != "READY":
                self._client.delete_logged_model(model.model_id)

    def _models(self) -> Sequence[LoggedModel]:
        return self._client.search_logged_models([self._experiment_id], f"source_run_id = '{self.run_id}'")

    def _is_output(self, model_id: str) -> bool:
        outputs = self._client.get_run(self.run_id).outputs
        return outputs is not None and model_id in {output.model_id for output in outputs.model_outputs}

    def finish(self, status: Status, error: str = "") -> None:
        """Write the error, delete a model whose upload was interrupted, and write the status last."""
        if error:
            self.set_tags({tags.ERROR: error[:5000]})
        if status is not Status.FINISHED:
            self._delete_unfinished_models()
        self._client.set_terminated(self.run_id, status.value)

    @contextmanager
    def system_metrics(self) -> Iterator[None]:
        """Log processor, memory, disk and network of the machine during the block."""
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
            # In a thread: it waits for a request of its own, which may be waiting for a server that is gone.
            end = threading.Thread(target=monitor.finish, daemon=True)
            end.start()
            end.join(SYSTEM_METRICS_SECONDS)
