"""Which store is opened, what is reported where it cannot be, and that no password ever is."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmark.tracking.client import TrackingError, tracking_uri
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names
from tests.helpers.kept import plan_file, plan_of


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
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    (tmp_path / "junk.db").write_text("this is no database")
    uri = uri.format(folder=tmp_path)

    with pytest.raises(TrackingError) as caught:
        TrackingStore(uri, tmp_path / "cache")

    assert_names(caught, uri if shown is None else shown, "--tracking-uri", "MLFLOW_TRACKING_URI")
    assert "s3cr" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def proxy(monkeypatch) -> Iterator[list[str]]:
    """Let all requests go through a proxy, which answers them itself; these are the addresses it was asked for."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(200 if "tracking.internal" in self.path else 502)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield asked
        server.shutdown()


def test_a_server_that_only_a_proxy_reaches_is_opened_and_one_that_it_does_not_reach_asked_once(proxy, tmp_path):
    before = dict(os.environ)
    TrackingStore("http://tracking.internal", tmp_path)
    assert {urlsplit(each).hostname for each in proxy} == {"tracking.internal"}

    proxy.clear()
    with pytest.raises(TrackingError, match="502"):
        TrackingStore("http://elsewhere.internal", tmp_path)
    assert len(proxy) == 1
    assert {name: os.environ.get(name) for name in before} == before
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ


def test_an_environment_in_a_folder_that_mlflow_cannot_read_its_tables_from_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("mlflow.__file__", "/opt/50% off/mlflow/__init__.py")

    with pytest.raises(TrackingError) as caught:
        TrackingStore(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert_names(caught, "/opt/50% off/mlflow")
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("sqlite:///mlflow.db?timeout=60", "."),
        ("sqlite+pysqlite:///mlflow.db", "."),
        ("sqlite:///my%20runs/mlflow.db", "my runs"),
        ("sqlite:///50% off/mlflow.db", "50% off"),
        ("sqlite:///~/mlflow.db", "home"),
    ],
)
def test_database_and_files_are_where_the_address_says(empty_database, tmp_path, monkeypatch, address, folder):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert TrackingStore.existing(address, tmp_path) is None
    Path(folder).mkdir(exist_ok=True)
    shutil.copy(empty_database, folder)

    store = TrackingStore.existing(address, tmp_path)
    store.open_plan(plan_of())

    assert store.plan(store.plans("quick")[0]) == plan_of()
    assert {path.name for path in Path(folder).resolve().iterdir()} >= {"mlflow.db", "mlruns"}
    assert {path.name for path in tmp_path.iterdir()} <= {folder, "mlflow.db", "mlruns", "tracking.lock"}


def test_no_password_is_shown_with_a_damaged_plan(store, client, parent):
    plan_file(client, parent).write_text("{")
    store.uri = "http://someone:s3cret@127.0.0.1:1"

    with pytest.raises(TrackingError) as caught:
        store.plan(store.plans("quick")[0])

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
