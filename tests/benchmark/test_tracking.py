"""Runs and plans written to a real MLflow store on disk and read back."""

import json
import os
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest
from mlflow import MlflowClient
from recorded import NOWHERE

from benchmark.config_file import load_suite
from benchmark.plan import make_plan
from benchmark.records import EpochRecord, PlanRecord, PlanRow, Status, best_run
from benchmark.tracking.client import TrackingError, tracking_uri
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import experiment_name, run_tags
from benchmark.tracking.tracker import NullTracker, Tracker

FINGERPRINT = "f" * 16
PUBLISHED = {"experiment": "lstm", "test_accuracy": 86.62, "corpus": "c", "encoder": None, "source": "s", "setup": "t"}


def plan_of(profile="quick", seeds=(1, 2)) -> PlanRecord:
    rows = (
        PlanRow("lstm", FINGERPRINT, None, PUBLISHED, 200, "5" * 64),
        PlanRow("bert-frozen", "b" * 16, "tiny", None, 200, "5" * 64),
    )
    return PlanRecord(profile, seeds, rows, "made-up reviews", True, 50, 60)


@pytest.fixture
def store(store_uri, tmp_path) -> TrackingStore:
    return TrackingStore(store_uri, tmp_path / "cache")


@pytest.fixture
def client(store_uri) -> MlflowClient:
    """MLflow itself, to see what any of its users would see."""
    return MlflowClient(tracking_uri=store_uri)


@pytest.fixture
def clock(monkeypatch):
    """Time goes on by a second with each look at the clock, so that an order in time is certain."""
    seconds = count(1_700_000_000)
    monkeypatch.setattr(time, "time", lambda: float(next(seconds)))


@pytest.fixture
def parent(store) -> str:
    return store.open_plan(plan_of())


def start(store, parent, *, seed=1, fingerprint=FINGERPRINT, profile="quick"):
    return store.start_run(
        profile,
        f"lstm seed {seed}",
        run_tags(parent=parent, experiment="lstm", seed=seed, fingerprint=fingerprint, note="what it is"),
    )


def plan_file(client, run_id) -> Path:
    return Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / "plan.json"


# Plans


def test_a_plan_is_read_back_as_it_was_written(store):
    store.open_plan(plan_of())

    assert store.latest_plan("quick") == plan_of()


def test_a_plan_says_which_of_its_models_is_the_baseline(write_config):
    config = write_config(profiles={"quick": {"experiments": ["lstm", "bow"]}})
    plan = make_plan(load_suite(config), NOWHERE).record

    assert [(row.experiment, row.baseline) for row in plan.rows] == [("lstm", False), ("bow", True)]
    assert PlanRecord.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_of_before_there_were_baselines_is_read_as_one_without(store, client, parent):
    content = json.loads(plan_file(client, parent).read_text())
    for row in content["rows"]:
        del row["baseline"]
    plan_file(client, parent).write_text(json.dumps(content))

    assert store.latest_plan("quick") == plan_of()


def test_a_plan_stands_in_the_store_before_any_run(store, client, parent):
    run = client.get_run(parent)

    assert run.info.status == "RUNNING"
    assert run.info.run_name == "plan: 2 models x 2 seeds"
    assert run.data.tags["benchmark.kind"] == "plan"
    assert run.data.tags["mlflow.note.content"] == plan_of().describe()
    assert json.loads(plan_file(client, parent).read_text())["seeds"] == [1, 2]


def test_the_same_plan_is_reopened_and_not_doubled(store, client, parent):
    store.close_plan(parent, Status.FINISHED)

    assert store.open_plan(plan_of()) == parent
    assert client.get_run(parent).info.status == "RUNNING"
    [experiment] = [e for e in client.search_experiments() if e.name == experiment_name("quick")]
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_another_process_finds_the_plan_too(store, parent, store_uri, tmp_path):
    assert TrackingStore(store_uri, tmp_path / "cache").open_plan(plan_of()) == parent


def test_another_plan_is_another_parent_run(store, parent):
    assert store.open_plan(plan_of(seeds=(3,))) != parent


def test_a_closed_plan_has_its_status(store, client, parent):
    store.close_plan(parent, Status.SCHEDULED)

    assert client.get_run(parent).info.status == "SCHEDULED"


@pytest.mark.usefixtures("clock")
def test_the_latest_plan_is_the_one_used_last(store):
    older, newer = plan_of(seeds=(1,)), plan_of(seeds=(2,))
    store.open_plan(older)
    store.open_plan(newer)
    assert store.latest_plan("quick") == newer

    store.open_plan(older)

    assert store.latest_plan("quick") == older


def test_profiles_do_not_see_each_other(store):
    store.open_plan(plan_of("quick"))
    parent = store.open_plan(plan_of("paper"))
    start(store, parent, profile="paper")

    assert store.latest_plan("quick") == plan_of("quick")
    assert store.runs("quick") == []
    assert len(store.runs("paper")) == 1


def test_an_empty_store_has_neither_plan_nor_runs(store):
    assert store.latest_plan("quick") is None
    assert store.runs("quick") == []


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b"null", b"[]", b"{}", b'{"rows": [3]}', b'{"rows": [{"x": 1}]}', b'{"rows": []}']
)
def test_a_damaged_plan_is_told_in_one_line(store, client, parent, content):
    plan_file(client, parent).write_bytes(content)

    with pytest.raises(TrackingError, match=rf"plan\.json of run {parent} cannot be read") as caught:
        store.latest_plan("quick")

    assert "\n" not in str(caught.value)


def test_a_plan_of_another_version_is_told_in_one_line(store, client, parent):
    path = plan_file(client, parent)
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "red"}))

    with pytest.raises(TrackingError, match=r"not a plan of this version: .*colour"):
        store.latest_plan("quick")


def test_a_lost_plan_is_told_in_one_line(store, client, parent):
    plan_file(client, parent).unlink()

    with pytest.raises(TrackingError, match=rf"plan\.json of run {parent} cannot be read"):
        store.latest_plan("quick")


def test_reopening_a_plan_writes_what_a_killed_process_left_out(store, client, parent):
    plan_file(client, parent).unlink()

    store.open_plan(plan_of())

    assert store.latest_plan("quick") == plan_of()


def test_a_deleted_experiment_is_told_with_the_way_back(store, client, parent):
    number = client.get_run(parent).info.experiment_id
    client.delete_experiment(number)

    for read_or_write in (store.runs, store.latest_plan, lambda _: store.open_plan(plan_of())):
        with pytest.raises(TrackingError, match=rf"was deleted; .*restore --experiment-id {number}`"):
            read_or_write("quick")


# Runs


def test_a_new_run_is_running_below_its_plan(store, client, parent):
    run = client.get_run(start(store, parent).run_id)

    assert run.info.status == "RUNNING"
    assert run.info.run_name == "lstm seed 1"
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.tags["mlflow.note.content"] == "what it is"


def test_a_run_is_read_back_as_a_record(store, parent):
    tracker = start(store, parent)
    tracker.log_metrics({"test/accuracy": 0.875, "train_seconds": 12.5})
    tracker.finish(Status.FINISHED)

    [record] = store.runs("quick")

    assert record.run_id == tracker.run_id
    assert (record.name, record.experiment, record.seed) == ("lstm seed 1", "lstm", 1)
    assert (record.fingerprint, record.status, record.error) == (FINGERPRINT, Status.FINISHED, "")
    assert record.metrics == {"test/accuracy": 0.875, "train_seconds": 12.5}


def test_tags_are_kept(store, client, parent):
    tracker = start(store, parent)
    tracker.set_tags({"device": "cpu", "precision": "fp32"})

    tags = client.get_run(tracker.run_id).data.tags

    assert (tags["device"], tags["precision"]) == ("cpu", "fp32")


def test_settings_become_params_with_dots(store, client, parent):
    tracker = start(store, parent)
    tracker.log_params({"seed": 1, "model": {"name": "lstm", "encoder": {"path": None}}, "training": {"lr": 1e-3}})

    assert client.get_run(tracker.run_id).data.params == {
        "seed": "1",
        "model.name": "lstm",
        "model.encoder.path": "None",
        "training.lr": "0.001",
    }


def test_metrics_keep_every_step_and_the_record_the_last(store, client, parent):
    tracker = start(store, parent)
    for epoch, loss in ((1, 0.7), (2, 0.5), (3, 0.6)):
        tracker.log_metrics({"val/loss": loss, "val/accuracy": epoch / 10}, step=epoch)

    history = client.get_metric_history(tracker.run_id, "val/loss")

    assert [(point.step, point.value) for point in history] == [(1, 0.7), (2, 0.5), (3, 0.6)]
    assert store.runs("quick")[0].metrics == {"val/loss": 0.6, "val/accuracy": 0.3}


def test_an_epoch_is_kept_under_the_names_that_the_report_knows(store, parent):
    epoch = EpochRecord(1, 0.7, 0.6, 0.8, 1e-3, 10.0, 1.0)
    start(store, parent).log_metrics(epoch.metrics(), step=epoch.epoch)

    assert store.runs("quick")[0].metrics == {
        "train/loss": 0.7,
        "train/learning_rate": 1e-3,
        "train/seconds": 10.0,
        "val/loss": 0.6,
        "val/accuracy": 0.8,
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
def test_a_run_ends_with_its_status(store, parent, status):
    start(store, parent).finish(status)

    assert store.runs("quick")[0].status is status


def test_the_reason_of_a_failure_is_read_back(store, parent):
    start(store, parent).finish(Status.FAILED, "NonFiniteError: loss is nan")

    assert store.runs("quick")[0].error == "NonFiniteError: loss is nan"


def test_a_reason_longer_than_the_store_takes_is_cut(store, parent):
    start(store, parent).finish(Status.FAILED, "x" * 100_000)

    record = store.runs("quick")[0]

    assert record.status is Status.FAILED
    assert len(record.error) >= 1000


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


def test_a_run_can_be_gone_on_with(store, parent):
    run_id = start(store, parent).run_id

    again = store.reopen(run_id)
    again.log_metrics({"test/accuracy": 0.5})
    again.finish(Status.FINISHED)

    [record] = store.runs("quick")
    assert (record.run_id, record.status, record.metrics) == (run_id, Status.FINISHED, {"test/accuracy": 0.5})


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


def test_the_tracker_that_keeps_nothing_has_the_same_face(tmp_path):
    tracker: Tracker = NullTracker()
    tracker.set_tags({"a": "b"})
    tracker.log_params({"a": 1})
    tracker.log_metrics({"a": 1.0}, step=1)
    tracker.log_artifacts(tmp_path)
    tracker.finish(Status.FAILED, "boom")

    methods = {name for name in vars(Tracker) if not name.startswith("_")}
    assert methods <= set(vars(NullTracker))
    assert list(tmp_path.iterdir()) == []


# The store itself


@pytest.fixture
def no_retries(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.usefixtures("no_retries")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "bogus://somewhere", "./mlruns", "sqlite:///{folder}/junk.db"])
def test_a_store_that_cannot_be_opened_is_told_in_one_line(tmp_path, uri):
    (tmp_path / "junk.db").write_text("this is no database")
    uri = uri.format(folder=tmp_path)

    with pytest.raises(TrackingError) as caught:
        TrackingStore(uri, tmp_path / "cache")

    text = str(caught.value)
    assert text.startswith(f"tracking store {uri}: cannot be opened (")
    assert text.endswith("; check --tracking-uri or MLFLOW_TRACKING_URI")
    assert "\n" not in text


@pytest.mark.usefixtures("no_retries")
@pytest.mark.parametrize("scheme", ["http", "bogus"])
def test_no_password_is_shown(tmp_path, scheme):
    with pytest.raises(TrackingError) as caught:
        TrackingStore(f"{scheme}://someone:s3cret@127.0.0.1:1", tmp_path)

    assert f"tracking store {scheme}://127.0.0.1:1: cannot be opened" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_no_password_is_shown_with_a_damaged_plan(store, client, parent):
    plan_file(client, parent).write_text("{")
    store.uri = "http://someone:s3cret@127.0.0.1:1"

    with pytest.raises(TrackingError) as caught:
        store.latest_plan("quick")

    assert "s3cret" not in str(caught.value)


def test_a_database_whose_driver_is_not_installed_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(TrackingError):
        TrackingStore("postgresql://127.0.0.1:1/db", tmp_path)


def test_the_option_names_the_store_then_the_environment_then_a_file_here(monkeypatch):
    assert tracking_uri(None) == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert tracking_uri(None) == "http://server"
    assert tracking_uri("sqlite:///other.db") == "sqlite:///other.db"


def test_opening_a_store_sends_no_telemetry_and_prints_nothing(store_uri, tmp_path):
    """In a process of its own: MLflow sends nothing from within tests or CI anyway."""
    code = (
        "import sys; from pathlib import Path; from benchmark.tracking.store import TrackingStore;"
        "TrackingStore(sys.argv[1], Path(sys.argv[2]));"
        "from mlflow.telemetry.client import get_telemetry_client as client;"
        "from mlflow.telemetry.utils import is_telemetry_disabled as disabled;"
        "assert disabled() and client() is None"
    )
    kept = ("PATH", "PYTHONPATH", "HOME")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    answer = subprocess.run(
        [sys.executable, "-c", code, store_uri, str(tmp_path / "cache")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
