"""Models in MLflow's store: one for each finished run, whole or not there, found again by the run."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import mlflow.artifacts
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.tracking._tracking_service.client import TrackingServiceClient

from benchmark.tracking.client import TrackingError
from benchmark.tracking.logged_model import fetch_bundle
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import Status
from benchmark.tracking.tags import run_tags
from tests.helpers.facts import assert_names
from tests.helpers.trained import Trained, record

FILES = {"README.md", "itos.json", "model.json", "weights.safetensors"}


@pytest.fixture
def trained(trained_as) -> Trained:
    """One network for all tests here, which only read it."""
    return trained_as("rnn")


@pytest.fixture
def tracker(store, trained) -> MlflowTracker:
    """The log of a run that has just scored its test part."""
    labels = run_tags(parent=store.open_plan(trained.plan.record), experiment="rnn", seed=1, fingerprint="f" * 16)
    return store.start_run("quick", "rnn seed 1", labels)


def models_of(client: MlflowClient, run_id: str) -> list[LoggedModel]:
    return list(client.search_logged_models([client.get_run(run_id).info.experiment_id], f"source_run_id = '{run_id}'"))


def states_of(client: MlflowClient, run_id: str) -> list[str]:
    return [model.status.value for model in models_of(client, run_id)]


def break_off(*_, **__):
    raise KeyboardInterrupt


class TestLogged:
    def test_it_is_ready_described_and_the_runs_output(self, tracker, trained, client):
        tracker.log_metrics({"val/loss": 0.5}, step=1)
        tracker.log_model(trained.bundle, "rnn", step=1)
        tracker.log_metrics({"test/accuracy": 0.75})
        [model] = models_of(client, tracker.run_id)
        [output] = client.get_run(tracker.run_id).outputs.model_outputs

        assert (model.status.value, model.name, model.model_type) == ("READY", "rnn", "text-classification")
        assert (output.model_id, output.step) == (model.model_id, 1)
        assert model.tags["mlflow.note.content"] == (trained.bundle / "README.md").read_text()
        assert model.params["model.name"] == '"rnn"'
        assert model.params["tokens.max_length"] == "40"
        assert model.params["precision"] == "fp32"
        assert {metric.key: metric.value for metric in model.metrics} == {"test/accuracy": 0.75}
        assert [metric.value for metric in client.get_metric_history(tracker.run_id, "test/accuracy")] == [0.75]
        assert client.get_run(tracker.run_id).data.metrics == {"val/loss": 0.5, "test/accuracy": 0.75}

    def test_a_name_that_mlflow_would_refuse_is_made_one_that_it_takes(self, tracker, trained, client):
        tracker.log_model(trained.bundle, "rnn/wide 1.5")

        assert [model.name for model in models_of(client, tracker.run_id)] == ["rnn-wide 1-5"]


class TestResumed:
    """A run may be killed at any point and is then resumed: in the end it has one model."""

    def test_a_ready_model_stays_and_gets_each_figure_once(self, store, tracker, trained, client):
        tracker.log_model(trained.bundle, "rnn")
        [first] = models_of(client, tracker.run_id)
        client.log_metric(tracker.run_id, "test/accuracy", 0.75)  # MLflow writes to the run first, then to the model

        again = store.reopen(tracker.run_id)
        again.log_model(trained.bundle, "rnn")
        again.log_metrics({"test/accuracy": 0.5, "test/f1": 0.25})
        [model] = models_of(client, tracker.run_id)

        assert model.model_id == first.model_id
        assert len(client.get_run(tracker.run_id).outputs.model_outputs) == 1
        assert {metric.key: metric.value for metric in model.metrics} == {"test/accuracy": 0.75, "test/f1": 0.25}
        assert [metric.value for metric in client.get_metric_history(tracker.run_id, "test/accuracy")] == [0.75]

    def test_an_interrupted_upload_is_dropped_and_repeated(self, store, tracker, trained, client, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(TrackingServiceClient, "log_model_artifacts", break_off)
            with pytest.raises(KeyboardInterrupt):
                tracker.log_model(trained.bundle, "rnn")
        assert states_of(client, tracker.run_id) == ["PENDING"]

        store.reopen(tracker.run_id).resume({})
        assert states_of(client, tracker.run_id) == []
        store.reopen(tracker.run_id).log_model(trained.bundle, "rnn")
        assert states_of(client, tracker.run_id) == ["READY"]

    def test_dropping_leaves_what_is_ready_and_what_is_another_runs(self, store, tracker, trained, client):
        tracker.log_model(trained.bundle, "rnn")
        other = record(store, trained, seed=2)
        experiment = client.get_run(other).info.experiment_id
        client.create_logged_model(experiment, name="rnn", source_run_id=other)
        store.reopen(tracker.run_id).resume({})

        assert states_of(client, tracker.run_id) == ["READY"]
        assert sorted(states_of(client, other)) == ["PENDING", "READY"]

    def test_a_model_that_the_run_does_not_name_yet_is_named(self, store, tracker, trained, client, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(TrackingServiceClient, "log_outputs", break_off)
            with pytest.raises(KeyboardInterrupt):
                tracker.log_model(trained.bundle, "rnn")
        assert states_of(client, tracker.run_id) == ["READY"]

        store.reopen(tracker.run_id).log_model(trained.bundle, "rnn")
        [model], [output] = models_of(client, tracker.run_id), client.get_run(tracker.run_id).outputs.model_outputs
        assert output.model_id == model.model_id


class TestFetched:
    def test_from_a_local_store_it_is_read_where_it_lies(self, store, trained, tmp_path, client):
        run_id = record(store, trained)
        copies = tmp_path / "copies"
        copies.mkdir()
        folder = store.model_bundle(run_id, copies)

        assert {path.name for path in folder.iterdir()} == FILES
        assert list(copies.iterdir()) == []
        assert str(folder).startswith(models_of(client, run_id)[0].artifact_location.removeprefix("file://"))

    def test_from_elsewhere_it_is_copied(self, store, trained, tmp_path, client, monkeypatch):
        [model] = models_of(client, record(store, trained))

        def download(uri: str, dst_path: str, tracking_uri: str) -> str:
            assert (uri, tracking_uri) == ("mlflow-artifacts:/models/m-1", client.tracking_uri)
            return str(shutil.copytree(model.artifact_location.removeprefix("file://"), Path(dst_path) / "m-1"))

        monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
        remote = SimpleNamespace(artifact_location="mlflow-artifacts:/models/m-1")
        folder = fetch_bundle(client, remote, tmp_path / "copies")

        assert {path.name for path in folder.iterdir()} == FILES
        assert tmp_path / "copies" in folder.parents

    def test_a_run_without_a_model_is_reported_with_advice(self, store, tracker, tmp_path):
        with pytest.raises(TrackingError) as caught:
            store.model_bundle(tracker.run_id, tmp_path)
        assert_names(caught, tracker.run_id, "--fresh")

    def test_lost_files_are_reported(self, store, trained, tmp_path, client):
        run_id = record(store, trained, status=Status.RUNNING)
        [model] = models_of(client, run_id)
        shutil.rmtree(model.artifact_location.removeprefix("file://"))

        with pytest.raises(TrackingError) as caught:
            store.model_bundle(run_id, tmp_path)
        assert_names(caught, model.model_id, run_id)

    def test_an_unknown_run_is_reported(self, store, tmp_path):
        with pytest.raises(TrackingError, match="0" * 32):
            store.model_bundle("0" * 32, tmp_path)
