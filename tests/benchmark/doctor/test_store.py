"""The tracking store, whole and damaged, and the runs in it."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.doctor import store as store_checks
from benchmark.doctor.finding import Level
from benchmark.doctor.store import look_at_store, run_findings
from benchmark.tracking.lock import hold
from benchmark.tracking.records import Status
from tests.helpers.examined import FINGERPRINT, below, reported
from tests.helpers.facts import assert_names


def test_a_store_in_order_gives_its_runs(start, store_uri):
    start().finish(Status.FINISHED)
    start("reproduction")

    state = look_at_store(store_uri)

    assert state.finding.level is Level.OK
    assert store_uri in state.finding.text
    assert [(each.profile, each.kind, each.run.status) for each in state.runs] == [
        ("quick", "run", Status.FINISHED),
        ("quick", "reproduction", Status.RUNNING),
    ]


def pages_overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)


def replaced_by_another(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE studies (id)")


def of_another_mlflow(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '000000000000'")


@pytest.mark.parametrize(
    ("damage", "facts"),
    [
        (lambda path: path.write_bytes(b"no database, and long enough to be looked at " * 100), ("`run all`",)),
        (pages_overwritten, ("`run all`",)),
        (replaced_by_another, ("studies", "--tracking-uri")),
        (of_another_mlflow, ("tracking store sqlite:///", "mlflow db upgrade")),
    ],
    ids=["no database", "pages overwritten", "another database", "another MLflow's"],
)
def test_a_database_that_cannot_be_used_is_a_problem(store_uri, tmp_path, damage, facts):
    path = tmp_path / "mlflow.db"
    damage(path)

    state = look_at_store(store_uri)

    assert state.finding.level is Level.PROBLEM
    assert_names(state.finding.text, path, *facts)
    assert "copy.db" not in state.finding.text
    assert "\n" not in state.finding.text
    assert state.runs is None


def test_an_empty_database_is_a_note(tmp_path):
    path = tmp_path / "mlflow.db"
    path.touch()

    finding = look_at_store(f"sqlite:///{path}").finding

    assert finding.level is Level.NOTE
    assert_names(finding.text, path, "empty", "`run`")
    assert path.stat().st_size == 0


def test_a_locked_database_is_a_problem(store_uri, tmp_path, monkeypatch):
    monkeypatch.setattr(store_checks, "PATIENCE", 0.01)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        finding = look_at_store(store_uri).finding

    assert finding.level is Level.PROBLEM
    assert_names(finding.text, tmp_path / "mlflow.db", "process")


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

    assert finding.level is Level.NOTE
    assert_names(finding.text, path, "`run`")
    assert below(tmp_path) == before


def test_a_run_at_which_a_process_is_at_work_is_no_orphan(start, store_uri, workspace):
    start()
    with hold(workspace.lock(f"run-{FINGERPRINT}-1")):
        ((level, text),) = reported(run_findings(look_at_store(store_uri).runs))

    assert level == "ok"
    assert re.findall(r"\d+", text) == ["1", "1"]  # recorded, with a process


def test_of_a_run_on_another_machine_nobody_can_tell(start, store_uri):
    start(lock="elsewhere:/a/lock")

    (level, text), summary = reported(run_findings(look_at_store(store_uri).runs))

    assert level == "note"
    assert_names(text, "elsewhere:/a/lock", "`python -m benchmark run lstm --profile quick --fresh`")
    assert (summary[0], re.findall(r"\d+", summary[1])) == ("ok", ["1", "0"])


def test_an_orphaned_run_is_a_problem_and_a_reproduction_one_that_is_not_resumed(start, store_uri):
    start("reproduction")
    start("run")

    found = dict(zip(("run", "reproduction"), reported(run_findings(look_at_store(store_uri).runs)), strict=False))

    assert {level for level, _ in found.values()} == {"problem"}
    assert ["option" in found[kind][1] for kind in ("run", "reproduction")] == [True, False]
