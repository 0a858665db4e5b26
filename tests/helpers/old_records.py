"""What commit b11dd94 recorded, as a working directory of now; see tests/fixtures/README.md."""

import hashlib
import json
import platform
import sqlite3
import tarfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
RUNS = {name: run["id"] for name, run in EXPECTED["runs"].items()}
PLACES = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}


def extracted(folder: Path) -> Path:
    """The working directory that was recorded; its store's absolute paths begin with where it lies now."""
    with tarfile.open(FIXTURES / "records-b11dd94.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    moved = (EXPECTED["root"], str(folder / "records"))
    with closing(sqlite3.connect(folder / "records" / "mlflow.db")) as database, database:
        for table, column in PLACES.items():
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", moved)  # noqa: S608  fixed words
    return folder / "records"


def go_to(records: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """By an absolute URI: MLflow keeps what it opened under a relative one, whichever folder that was in."""
    monkeypatch.chdir(records)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{records / 'mlflow.db'}")
    monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{records / 'optuna.db'}")
    return MlflowClient(f"sqlite:///{records / 'mlflow.db'}")


def move_checkpoints_here() -> None:
    """A checkpoint is refused on another machine: let these be of this one. And of a run that took 1e6 s so far."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    here = {each: version(each) for each in ("torch", "transformers", "numpy")}
    here |= {"threads": "1", "device": "cpu", "python": platform.python_version()}  # tests/conftest.py: one thread
    here["processor"] = next((each.partition(":")[2].strip() for each in lines if "model name" in each), "")
    for file in Path(".benchmark", "checkpoints").rglob("checkpoint.json"):
        before = file.read_bytes()
        after = json.dumps(json.loads(before) | {"machine": here, "seconds": 1e6}).encode()
        file.write_bytes(after)
        old, new = (hashlib.sha256(content).hexdigest() for content in (before, after))
        sums = file.with_name("SHA256SUMS")
        sums.write_text(sums.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
