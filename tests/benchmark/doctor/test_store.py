"""The tracking store, whole and damaged, and the runs in it."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.doctor import store as store_checks
from benchmark.doctor.finding import NOTE, OK, PROBLEM
from benchmark.doctor.store import check_store, run_findings
from benchmark.tracking.lock import hold
from benchmark.tracking.records import Status
from tests.helpers.examined import FINGERPRINT, snapshot
from tests.helpers.facts import assert_names


def replace_by_another(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE studies (id)")


def change_mlflow_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '000000000000'")


@pytest.mark.parametrize(
    ("damage", "facts"),
    [
        (lambda path: path.write_bytes(b"no database, and long enough to be read " * 100), ("`run all`",)),
        (replace_by_another, ("studies", "--tracking-uri")),
        (change_mlflow_version, ("tracking store sqlite:///", "mlflow db upgrade")),
    ],
    ids=["no database", "another database", "another MLflow's"],
)
def test_a_database_that_cannot_be_used_is_a_problem(store_uri, tmp_path, damage, facts):
    path = tmp_path / "mlflow.db"
    damage(path)

    finding, runs = check_store(store_uri)

    assert finding.level == PROBLEM
    assert_names(finding.text, path, *facts)
    assert "copy.db" not in finding.text
    assert runs is None


def test_an_empty_database_is_a_note(tmp_path):
    path = tmp_path / "mlflow.db"
    path.touch()

    finding, _ = check_store(f"sqlite:///{path}")

    assert finding.level == NOTE
    assert_names(finding.text, path, "empty", "`run`")
    assert path.stat().st_size == 0


def test_a_locked_database_is_a_problem(store_uri, tmp_path, monkeypatch):
    monkeypatch.setattr(store_checks, "PATIENCE", 0.01)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        finding, _ = check_store(store_uri)

    assert finding.level == PROBLEM
    assert_names(finding.text, tmp_path / "mlflow.db", "locked", "program")


def test_a_write_that_a_kill_interrupted_is_a_note_and_left_for_run_to_take_back(store_uri, tmp_path):
    path = tmp_path / "mlflow.db"
    program = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN'); c.execute('CREATE TABLE half (text)');"
        "c.executemany('INSERT INTO half VALUES (?)', [('x' * 4000,)] * 100); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert path.with_name("mlflow.db-journal").exists()
    before = snapshot(tmp_path)

    finding, _ = check_store(store_uri)

    assert finding.level == NOTE
    assert_names(finding.text, path, "`run`")
    assert snapshot(tmp_path) == before


def test_a_running_run_is_judged_by_its_lock(start, store_uri, workspace):
    start().finish(Status.FINISHED)
    start(lock="elsewhere:/a/lock", seed=2)
    start("reproduction", seed=3)
    start(seed=4)
    start(seed=5)
    finding, runs = check_store(store_uri)
    assert finding.level == OK
    assert store_uri in finding.text

    with hold(workspace.lock(f"run-{FINGERPRINT}-5")):
        *found, (level, summary) = run_findings(runs, workspace.locks)
    by_seed = {int(re.search(r"seed (\d)", text)[1]): (level, text) for level, text in found}

    assert {seed: level for seed, (level, _) in by_seed.items()} == {2: NOTE, 3: PROBLEM, 4: PROBLEM}
    assert_names(by_seed[2][1], "elsewhere:/a/lock", "`python -m benchmark run lstm --profile quick --fresh`")
    assert ["option" in by_seed[seed][1] for seed in (3, 4)] == [False, True]
    assert (level, re.findall(r"\d+", summary)) == (OK, ["5", "1"])  # recorded, with a process at work
