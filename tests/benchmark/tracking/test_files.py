"""The files of an sqlite store are found beside its database, wherever both are moved, by MLflow too."""

import os
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
from benchmark.tracking.client import TrackingError
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
    store.close_plan(store.open_plan(plan_of()), Status.FINISHED)
    run = Made(seed=1).record(store)
    client = MlflowClient(sqlite_address(folder / "mlflow.db"))
    client.log_text(run.run_id, "kept", "note.txt")
    model = client.create_logged_model(client.get_run(run.run_id).info.experiment_id, "rnn", source_run_id=run.run_id)
    local_path(model.artifact_location).mkdir(parents=True)
    client.finalize_logged_model(model.model_id, "READY")
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


def test_files_that_are_out_of_reach_for_a_while_are_found_again_where_they_are_recorded(first, tmp_path):
    """As on a drive that is not mounted while the database, moved alone, is listed."""
    (first / "mlflow.db").rename((tmp_path / "p3").mkdir() or tmp_path / "p3" / "mlflow.db")
    first.rename(tmp_path / "unmounted")
    recorded = opened(tmp_path / "p3").runs("quick")[0].artifacts
    (tmp_path / "unmounted").rename(first)
    store = opened(tmp_path / "p3")

    assert local_path(recorded).is_relative_to(first)
    assert store.artifact(store.runs("quick")[0].run_id, "note.txt", tmp_path).read_text() == "kept"
    assert {path for path in addresses(tmp_path / "p3") if not path.is_relative_to(first)} == {
        tmp_path / "p3" / "mlruns" / "imdb-quick"  # where new runs go
    }


def test_a_run_that_was_killed_before_its_first_file_is_resumed_beside_the_moved_database(first, tmp_path):
    run_id = opened(first).start_run("quick", "another", {}).run_id
    folder = first.rename(tmp_path / "p2")
    (tmp_path / "some").mkdir()
    opened(folder).reopen(run_id).log_artifacts(tmp_path / "some")

    assert local_path(opened(folder).run(run_id).artifacts).is_relative_to(folder)
    assert not first.exists()


def test_files_of_another_user_and_addresses_of_another_case_disturb_nothing(first, tmp_path, monkeypatch):
    (tmp_path / "p3").mkdir()
    shutil.copy(first / "mlflow.db", tmp_path / "p3")
    with closing(sqlite3.connect(tmp_path / "p3" / "mlflow.db")) as database, database:
        database.execute("UPDATE model_versions SET source = replace(source, 'mlruns', 'MLRUNS')")
    stat = os.stat

    def refuse(path, *arguments, **named):
        if first.name in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", refuse)
    (run,) = opened(tmp_path / "p3").runs("quick")
    _, runs = check_store(sqlite_address(tmp_path / "p3" / "mlflow.db"))
    (_, text), *_ = file_findings(runs)

    assert local_path(run.artifacts).is_relative_to(first)
    assert_names(text, "1 of 1", local_path(run.artifacts))


@pytest.fixture
def read_only():
    def refuse_writes(connection, _) -> None:
        connection.execute("PRAGMA query_only = ON")

    event.listen(Engine, "connect", refuse_writes)
    yield
    event.remove(Engine, "connect", refuse_writes)


def test_a_moved_store_that_cannot_be_written_is_read_all_the_same_and_warned_of_once(first, tmp_path, caplog, request):
    folder = first.rename(tmp_path / "p2")
    request.getfixturevalue("read_only")
    store = opened(folder)
    (run,) = store.runs("quick")
    for _ in range(2):
        with pytest.raises(TrackingError):
            store.artifact(run.run_id, "nothing.txt", tmp_path)

    assert run.status is Status.FINISHED
    assert_names(caplog.text, folder / "mlflow.db")
    assert caplog.text.count("read-only") == 1


def test_doctor_finds_a_store_without_its_files(first, tmp_path):
    def problems(folder: Path) -> list[str]:
        _, runs = check_store(sqlite_address(folder / "mlflow.db"))
        return [text for level, text in file_findings(runs) if level == PROBLEM]

    folder = first.rename(tmp_path / "p2")
    before = (folder / "mlflow.db").read_bytes()
    assert problems(folder) == []
    shutil.rmtree(folder / "mlruns")
    (text,) = problems(folder)

    assert_names(text, "1 of 1", "mlruns", first / "mlruns")
    assert (folder / "mlflow.db").read_bytes() == before
