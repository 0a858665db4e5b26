"""The files of an sqlite store are found beside its database, wherever both are moved, by MLflow too."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmark.doctor.finding import PROBLEM
from benchmark.doctor.store import check_store, file_findings
from benchmark.tracking.address import local_path, sqlite_address
from benchmark.tracking.files import RECORDED_IN, files_address
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names
from tests.helpers.kept import plan_of
from tests.helpers.recorded import Made


@pytest.fixture
def first(empty_database, tmp_path) -> Path:
    """A folder with a database, a plan, and a finished run with a model."""
    folder = tmp_path / "p%201"
    folder.mkdir()
    store = opened(folder, shutil.copy(empty_database, folder / "mlflow.db"))
    store.open_plan(plan_of())
    run = Made(seed=1).record(store)
    client = MlflowClient(sqlite_address(folder / "mlflow.db"))
    client.log_text(run.run_id, "kept", "note.txt")
    model = client.create_logged_model(client.get_run(run.run_id).info.experiment_id, "rnn", source_run_id=run.run_id)
    local_path(model.artifact_location).mkdir(parents=True)
    client.create_registered_model("rnn")
    client.create_model_version("rnn", model.artifact_location, run.run_id)
    return folder


def opened(folder: Path, *_) -> TrackingStore:
    return TrackingStore(sqlite_address(folder / "mlflow.db"), folder / "cache")


def addresses(folder: Path) -> set[Path]:
    """Return the folders of which MLflow itself knows, in this folder's store."""
    client = MlflowClient(sqlite_address(folder / "mlflow.db"))
    experiment = client.get_experiment_by_name("imdb-quick")
    ids = [experiment.experiment_id]
    (version,) = client.search_model_versions()
    return {
        *(local_path(run.info.artifact_uri) for run in client.search_runs(ids)),
        *(local_path(model.artifact_location) for model in client.search_logged_models(ids)),
        *(local_path(each) for each in (experiment.artifact_location, version.source)),
    }


def test_a_moved_store_is_read_and_written_where_it_is(first, tmp_path):
    folder = first.rename(tmp_path / "p2")
    store = opened(folder)
    (old,) = store.runs("quick")
    new = store.start_run("quick", "another", {})
    new._client.log_text(new.run_id, "new", "note.txt")
    store.open_plan(plan_of())

    assert store.plan(store.plans("quick")[0]) == plan_of()
    assert store.artifact(old.run_id, "note.txt", tmp_path).read_text() == "kept"
    assert not first.exists()
    assert all(path.is_relative_to(folder) and path.is_dir() for path in addresses(folder))


def test_a_copy_has_files_of_its_own(first, tmp_path):
    copy = Path(shutil.copytree(first, tmp_path / "p3"))
    store = opened(copy)
    run_id = store.runs("quick")[0].run_id
    shutil.rmtree(first)

    assert store.artifact(run_id, "note.txt", tmp_path).read_text() == "kept"
    assert all(path.is_relative_to(copy) for path in addresses(copy))


def test_what_is_not_beside_a_copied_database_is_read_where_it_is_and_new_runs_are_beside_it(first, tmp_path):
    (tmp_path / "p3").mkdir()
    shutil.copy(first / "mlflow.db", tmp_path / "p3")
    store = opened(tmp_path / "p3")
    (old,), new = store.runs("quick"), store.start_run("quick", "another", {}).run_id

    assert store.artifact(old.run_id, "note.txt", tmp_path).read_text() == "kept"
    assert local_path(store.run(new).artifacts).is_relative_to(tmp_path / "p3")


def test_files_are_written_beside_the_database_whatever_a_container_records_meanwhile(first, tmp_path):
    """The container has the store at another path: it finds nothing where this machine recorded its files."""
    store = opened(first)
    here, there = files_address(first / "mlflow.db"), (tmp_path / "work" / "mlruns").as_uri()

    def list_in_container() -> None:
        with closing(sqlite3.connect(first / "mlflow.db")) as database, database:
            for table, column in RECORDED_IN:
                database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (here, there))  # noqa: S608

    list_in_container()
    run = store.start_run("quick", "another", {})
    list_in_container()
    (first / "model").mkdir()
    (first / "model" / "weights").write_text("w")
    run.log_artifacts(first / "model")
    list_in_container()
    model = store._client.create_logged_model(run._experiment_id, "rnn", run.run_id)
    list_in_container()
    store._client.log_model_artifacts(model.model_id, str(first / "model"))

    assert len(list((first / "mlruns").rglob("weights"))) == 2
    assert not (tmp_path / "work").exists()


def test_a_store_under_a_second_name_and_files_that_are_not_ours_are_left_alone(first, tmp_path):
    client = MlflowClient(sqlite_address(first / "mlflow.db"))
    other = client.create_experiment("other", (tmp_path / "p0" / "mlruns" / "other").as_uri())
    (tmp_path / "link").symlink_to(first)
    before = addresses(first)
    opened(tmp_path / "link")

    assert addresses(first) == before
    assert "/p0/" in client.get_experiment(other).artifact_location


def test_a_moved_store_that_cannot_be_written_is_read_all_the_same(first, tmp_path, caplog):
    def refuse_writes(connection, _) -> None:
        connection.execute("PRAGMA query_only = ON")

    folder = first.rename(tmp_path / "p2")
    event.listen(Engine, "connect", refuse_writes)
    try:
        (run,) = opened(folder).runs("quick")
    finally:
        event.remove(Engine, "connect", refuse_writes)

    assert run.status is Status.FINISHED
    assert_names(caplog.text, folder / "mlflow.db")


def test_doctor_finds_a_store_without_its_files(first, tmp_path):
    def problems(folder: Path) -> list[str]:
        _, runs = check_store(sqlite_address(folder / "mlflow.db"))
        return [text for level, text in file_findings(runs) if level == PROBLEM]

    folder = first.rename(tmp_path / "p2")
    before = (folder / "mlflow.db").read_bytes()
    assert problems(folder) == []
    shutil.rmtree(folder / "mlruns")
    (text,) = problems(folder)

    assert_names(text, "1 of 1", "mlruns")
    assert (folder / "mlflow.db").read_bytes() == before
