"""Which store is opened, what is reported where it cannot be, and that no password ever is."""

import os
import subprocess
import sys

import pytest

from benchmark.tracking.client import TrackingError, tracking_uri
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names
from tests.helpers.kept import plan_file


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("bogus://somewhere", None),
        ("./mlruns", None),
        ("http://[bad", None),
        ("sqlite:///{folder}/junk.db", None),
        ("http://someone:s3cret@127.0.0.1:1", "http://127.0.0.1:1"),
        ("bogus://someone:s3cret@127.0.0.1:1", "bogus://127.0.0.1:1"),
        ("postgresql://someone:s3cr[t@127.0.0.1:1/db", ""),
        ("postgresql://127.0.0.1:1/db", None),
    ],
)
def test_a_store_that_cannot_be_opened_is_reported_in_one_line_without_its_password(tmp_path, monkeypatch, uri, shown):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    (tmp_path / "junk.db").write_text("this is no database")
    uri = uri.format(folder=tmp_path)

    with pytest.raises(TrackingError) as caught:
        TrackingStore(uri, tmp_path / "cache")

    assert_names(caught, uri if shown is None else shown, "--tracking-uri", "MLFLOW_TRACKING_URI")
    assert "s3cr" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_password_is_shown_with_a_damaged_plan(store, client, parent):
    plan_file(client, parent).write_text("{")
    store.uri = "http://someone:s3cret@127.0.0.1:1"

    with pytest.raises(TrackingError) as caught:
        store.latest_plan("quick")

    assert "s3cret" not in str(caught.value)


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
