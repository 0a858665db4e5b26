"""The tracking store, whole and damaged, and the runs in it."""

import sqlite3
import subprocess
import sys
from contextlib import closing

from benchmark.doctor import store as store_checks
from benchmark.doctor.finding import Level
from benchmark.doctor.store import look_at_store, run_findings
from benchmark.records import Status
from benchmark.run_lock import hold
from tests.helpers.examined import FINGERPRINT, below, told


def test_a_store_in_order_gives_its_runs(start, store_uri):
    start().finish(Status.FINISHED)
    start("reproduction")

    state = look_at_store(store_uri)

    assert told([state.finding]) == [("ok", f"{store_uri}: in order")]
    assert [(each.profile, each.kind, each.run.status) for each in state.runs] == [
        ("quick", "run", Status.FINISHED),
        ("quick", "reproduction", Status.RUNNING),
    ]


def test_a_file_that_is_no_database_is_a_problem(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"no database, and long enough to be looked at " * 100)

    state = look_at_store(f"sqlite:///{path}")

    assert state.finding.level is Level.PROBLEM
    assert state.finding.text == (
        f"{path} cannot be read (file is not a database); put a copy of it back, or move it away: `run all` then "
        "makes a new one and does the runs again"
    )
    assert state.runs is None


def test_a_damaged_database_is_a_problem(store_uri, tmp_path):
    path = tmp_path / "mlflow.db"
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)

    state = look_at_store(store_uri)

    assert state.finding.level is Level.PROBLEM
    assert "move it away: `run all` then makes a new one" in state.finding.text
    assert "\n" not in state.finding.text


def test_an_empty_database_is_a_note(tmp_path):
    (tmp_path / "mlflow.db").touch()

    state = look_at_store(f"sqlite:///{tmp_path / 'mlflow.db'}")

    assert told([state.finding]) == [("note", f"{tmp_path / 'mlflow.db'} is empty; `run` makes its tables")]
    assert (tmp_path / "mlflow.db").stat().st_size == 0


def test_a_database_of_something_else_is_a_problem(tmp_path):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE studies (id)")

    finding = look_at_store(f"sqlite:///{tmp_path / 'mlflow.db'}").finding

    assert finding.level is Level.PROBLEM
    assert finding.text.endswith("(table studies); name another one by --tracking-uri")


def test_a_database_of_another_version_of_mlflow_is_a_problem_that_names_the_store_and_not_its_copy(
    store_uri, tmp_path
):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '000000000000'")

    finding = look_at_store(store_uri).finding

    assert finding.level is Level.PROBLEM
    assert finding.text.startswith(f"tracking store {store_uri}: cannot be opened (")
    assert "mlflow db upgrade" in finding.text
    assert "copy.db" not in finding.text


def test_a_locked_database_is_a_problem(store_uri, tmp_path, monkeypatch):
    monkeypatch.setattr(store_checks, "PATIENCE", 0.01)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        finding = look_at_store(store_uri).finding

    assert finding.level is Level.PROBLEM
    assert finding.text.endswith("end the process that holds it, or wait for it")


def test_a_write_that_a_kill_broke_off_is_a_note_and_stays_for_run_to_take_back(store_uri, tmp_path):
    path = tmp_path / "mlflow.db"
    program = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN'); c.execute('CREATE TABLE half (text)');"
        "c.executemany('INSERT INTO half VALUES (?)', [('x' * 4000,)] * 100); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert path.with_name("mlflow.db-journal").exists()
    before = below(tmp_path)

    finding = look_at_store(store_uri).finding

    assert told([finding]) == [
        ("note", f"a kill broke off a write to {path}; `run` takes that back when it opens the database")
    ]
    assert below(tmp_path) == before


def test_a_run_at_which_a_process_is_at_work_is_no_orphan(start, store_uri, workspace):
    start()
    with hold(workspace.lock(f"run-{FINGERPRINT}-1")):
        found = told(run_findings(look_at_store(store_uri).runs))

    assert found == [("ok", "1 recorded, 1 with a process at work")]


def test_of_a_run_on_another_machine_nobody_can_tell(start, store_uri):
    start(lock="elsewhere:/a/lock")

    (level, text), summary = told(run_findings(look_at_store(store_uri).runs))

    assert level == "note"
    assert "on another machine (lock elsewhere:/a/lock)" in text
    assert "`python -m benchmark run lstm --profile quick --fresh` does it again" in text
    assert summary == ("ok", "1 recorded, 0 with a process at work")


def test_an_orphaned_reproduction_is_put_right_and_not_gone_on_with(start, store_uri):
    start("reproduction")

    (level, text), _ = told(run_findings(look_at_store(store_uri).runs))

    assert level == "problem"
    assert text.endswith("puts that right")
