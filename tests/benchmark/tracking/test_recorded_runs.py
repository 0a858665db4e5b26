"""Runs written to a real MLflow store on disk and read back."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmark.tracking.records import Status, best_run
from benchmark.training.epoch import EpochRecord
from tests.helpers.kept import FINGERPRINT, start


def test_a_run_is_running_below_its_plan_and_read_back_as_a_record(store, client, parent):
    tracker = start(store, parent)
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.info.run_name) == ("RUNNING", "lstm seed 1")
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.tags["mlflow.note.content"] == "what it is"

    again = store.reopen(tracker.run_id)
    again.log_metrics({"test/accuracy": 0.875, "train_seconds": 12.5})
    again.finish(Status.FINISHED)
    [record] = store.runs("quick")

    assert record.run_id == tracker.run_id
    assert (record.name, record.experiment, record.seed) == ("lstm seed 1", "lstm", 1)
    assert (record.fingerprint, record.status, record.error) == (FINGERPRINT, Status.FINISHED, "")
    assert record.metrics == {"test/accuracy": 0.875, "train_seconds": 12.5}


def test_tags_are_kept_and_settings_become_params_with_dots(store, client, parent):
    tracker = start(store, parent)
    tracker.set_tags({"device": "cpu", "precision": "fp32"})
    tracker.log_params({"seed": 1, "model": {"name": "lstm", "encoder": {"path": None}}, "training": {"lr": 1e-3}})
    data = client.get_run(tracker.run_id).data

    assert (data.tags["device"], data.tags["precision"]) == ("cpu", "fp32")
    assert data.params == {"seed": "1", "model.name": "lstm", "model.encoder.path": "None", "training.lr": "0.001"}


def test_epochs_keep_every_step_under_the_names_that_the_report_knows_and_the_record_the_last(store, client, parent):
    tracker = start(store, parent)
    for number, loss in ((1, 0.7), (2, 0.5), (3, 0.6)):
        epoch = EpochRecord(number, 0.7, loss, number / 10, 1e-3, 10.0, 1.0)
        tracker.log_metrics(epoch.metrics(), step=epoch.epoch)
    history = client.get_metric_history(tracker.run_id, "val/loss")

    assert [(point.step, point.value) for point in history] == [(1, 0.7), (2, 0.5), (3, 0.6)]
    assert store.runs("quick")[0].metrics == {
        "train/loss": 0.7,
        "train/learning_rate": 1e-3,
        "train/seconds": 10.0,
        "val/loss": 0.6,
        "val/accuracy": 0.3,
        "val/seconds": 1.0,
    }


def test_artifacts_are_all_files_of_the_folder(store, client, parent, tmp_path):
    folder = tmp_path / "made"
    (folder / "plots").mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 1\n")
    (folder / "plots" / "curve.txt").write_text("down")
    tracker = start(store, parent)
    tracker.log_artifacts(folder)

    fetched = Path(client.download_artifacts(tracker.run_id, "", str(tmp_path)))

    assert (fetched / "config.yaml").read_text() == "seed: 1\n"
    assert (fetched / "plots" / "curve.txt").read_text() == "down"


@pytest.mark.parametrize("status", [Status.FINISHED, Status.FAILED, Status.KILLED])
def test_a_run_ends_with_its_status_and_as_much_of_the_reason_as_the_store_takes(store, parent, status):
    start(store, parent).finish(status, "NonFiniteError: loss is nan")
    start(store, parent, seed=2).finish(status, "x" * 100_000)
    [short, long] = sorted(store.runs("quick"), key=lambda record: record.seed)

    assert (short.status, short.error) == (status, "NonFiniteError: loss is nan")
    assert long.status is status
    assert len(long.error) >= 1000


def test_the_status_is_written_last(store, parent, monkeypatch):
    """Whoever sees an end sees all that belongs to it."""
    seen = []
    terminate = MlflowClient.set_terminated

    def watch(client, run_id, *rest):
        run = client.get_run(run_id)
        seen.append((run.info.status, run.data.tags["benchmark.error"]))
        return terminate(client, run_id, *rest)

    monkeypatch.setattr(MlflowClient, "set_terminated", watch)
    start(store, parent).finish(Status.FAILED, "boom")

    assert seen == [("RUNNING", "boom")]
    assert store.runs("quick")[0].status is Status.FAILED


def test_runs_come_newest_first_and_without_the_plan(store, client, parent):
    experiment_id = client.get_run(parent).info.experiment_id
    tags = {"benchmark.kind": "run", "benchmark.seed": "1", "benchmark.fingerprint": FINGERPRINT}
    made = [client.create_run(experiment_id, start_time=moment, tags=tags).info.run_id for moment in (2000, 3000, 1000)]

    assert [record.run_id for record in store.runs("quick")] == [made[1], made[0], made[2]]


def test_a_finished_run_counts_though_newer_ones_failed(store, parent):
    finished = start(store, parent)
    finished.finish(Status.FINISHED)
    start(store, parent).finish(Status.FAILED, "boom")
    start(store, parent, seed=2).finish(Status.KILLED, "interrupted")
    start(store, parent, fingerprint="0" * 16).finish(Status.FINISHED)

    records = store.runs("quick")

    assert best_run(records, FINGERPRINT, 1).run_id == finished.run_id
    assert best_run(records, FINGERPRINT, 2).status is Status.KILLED
    assert best_run(records, FINGERPRINT, 3) is None


def test_more_runs_than_a_page_are_all_read(store, parent, monkeypatch):
    search = MlflowClient.search_runs
    monkeypatch.setattr(MlflowClient, "search_runs", lambda *args, **more: search(*args, **more, max_results=2))
    for seed in range(5):
        start(store, parent, seed=seed)

    assert sorted(record.seed for record in store.runs("quick")) == [0, 1, 2, 3, 4]
