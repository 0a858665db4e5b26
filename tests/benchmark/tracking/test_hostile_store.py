"""A damaged database, and reviews that are markup: the first is reported in one line, the second is shown nowhere."""

import csv
import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmark.config.load import load_suite
from benchmark.experiment.artifacts import dataset_records
from benchmark.experiment.model_card import model_card
from benchmark.plan.plan import make_plan
from benchmark.tracking.store import TrackingStore
from data_pipeline.errors import one_line
from data_pipeline.load import load_corpus
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded import NOWHERE, SPEED, Made

COMMANDS = {
    "report": ["report"],
    "list": ["list"],
    "dry run": ["run", "all", "--dry-run"],
    "predict": ["predict", "--model", "lstm", "A wonderful film."],
}


@pytest.fixture(scope="module")
def recorded_database(empty_database, tmp_path_factory) -> Path:
    """A database with a plan and some runs; tests take a copy."""
    folder = tmp_path_factory.mktemp("recorded")
    path = Path(shutil.copy(empty_database, folder / "mlflow.db"))
    store = TrackingStore(f"sqlite:///{path}", folder)
    for seed in range(5):
        Made(seed=seed).record(store)
    return path


@pytest.fixture
def database(recorded_database, tmp_path, monkeypatch, write_config) -> Path:
    """The database that commands find, whole as yet. Its name is new: MLflow keeps what it opened under a name once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr("benchmark.profiling.measure.measure_in_subprocess", lambda run, device: SPEED)
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 1)  # it tries a folder ten times, in 100 seconds
    write_config()
    return Path(shutil.copy(recorded_database, tmp_path / "mlflow.db"))


def cut(path: Path, share: float) -> None:
    """Only the first pages are left."""
    os.truncate(path, int(path.stat().st_size * share) // 4096 * 4096)


def overwritten(path: Path) -> None:
    """Every page but the first holds something else."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"garbage!" * (len(content[4096:]) // 8))


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


DAMAGE = {
    "garbage": lambda path: path.write_bytes(b"this is no database" * 1000),
    "half of a header": lambda path: os.truncate(path, 50),
    "half of it": lambda path: cut(path, 0.5),
    "nine tenths of it": lambda path: cut(path, 0.9),
    "garbage after the first page": overwritten,
    "a newer schema": lambda path: execute(path, "UPDATE alembic_version SET version_num = 'fedcba987654'"),
    "no schema version": lambda path: execute(path, "DELETE FROM alembic_version"),
    "a table without a column": lambda path: execute(path, "ALTER TABLE runs RENAME COLUMN lifecycle_stage TO other"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize(
    ("damage", "command"),
    [*((damage, "report") for damage in DAMAGE), *(("half of it", command) for command in list(COMMANDS)[1:])],
)
def test_a_damaged_database_is_reported_in_one_line(call, database, caplog, damage, command):
    DAMAGE[damage](database)

    status, out, err = call(*COMMANDS[command])

    assert (status, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith(f"error: tracking store sqlite:///{database}: ")
    assert line == one_line(line)
    assert "Traceback" not in caplog.text


def test_an_empty_file_is_a_store_without_runs(call, database):
    database.write_bytes(b"")

    for command in ("report", "predict"):
        status, out, err = call(*COMMANDS[command])
        assert (status, out) == (2, "")
        [line] = error_lines(err)
        assert_names(line, "quick", "run")
    for command in ("list", "dry run"):
        status, out, _ = call(*COMMANDS[command])
        assert (status, out.count("missing")) == (0, 4)


# Review text


EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)> [a](javascript:alert(3))"


def test_no_review_text_stands_in_what_mlflow_shows(write_config, tmp_path):
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *((f"{EVIL} {number}", number % 2) for number in range(40))])
    data = {"path": str(tmp_path / "reviews.csv"), "train_size": 20, "val_size": 8, "test_size": 8}
    suite = load_suite(write_config(profiles={"quick": {"data": data}}))
    plan, corpus = make_plan(suite, NOWHERE), load_corpus(suite.data[0])
    scores = ("test/accuracy", "test/f1", "test/roc_auc", "test/log_loss")
    metrics = dict.fromkeys(("best_epoch", "best_val_loss", "best_val_accuracy", *scores), 1.0)
    shown = [plan.record.describe(), json.dumps(plan.record.to_json()), *plan.record.audit]
    for planned in plan.runs:
        shown.append(model_card(planned, corpus, metrics))
        shown += [json.dumps(asdict(record)) for record in dataset_records(corpus, planned.config.data)]

    assert EVIL in corpus.train[0].text
    assert not [text for text in shown if "alert" in text or "<script" in text]


def test_a_folder_in_the_place_of_the_database_is_reported_at_once(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").mkdir()

    assert_names(error_lines(call("report")[2])[0], "tracking store sqlite:///mlflow.db: ", "mlflow.db is a folder")
