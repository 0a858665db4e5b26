"""Which store is opened, what is told where it cannot be, and what is never told."""

import os
import subprocess
import sys

import pytest

from benchmark.tracking.client import TrackingError, tracking_uri
from benchmark.tracking.store import TrackingStore
from tests.helpers.kept import plan_file


@pytest.fixture
def no_retries(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.usefixtures("no_retries")
@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:1", "bogus://somewhere", "./mlruns", "http://[bad", "sqlite:///{folder}/junk.db"]
)
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


def test_no_password_is_shown_of_what_is_no_uri(tmp_path):
    with pytest.raises(TrackingError) as caught:
        TrackingStore("postgresql://someone:s3cr[t@127.0.0.1:1/db", tmp_path)

    assert "s3cr" not in str(caught.value)


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
