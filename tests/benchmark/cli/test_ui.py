"""`ui`: its options, what it reports, and that no process of a server is left; the page itself: test_ui_page.py."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from benchmark.cli.main import main
from benchmark.tracking.ui_server import AddressError, choose_port, server_address
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.shell import PATIENCE, ROOT, Shell

SECRET = "a-password"  # noqa: S105  opens nothing


@pytest.fixture(autouse=True)
def handlers(monkeypatch):
    """The command takes signals to itself; here it runs in the tests' process."""
    monkeypatch.setattr("benchmark.cli.ui.interrupt_on_termination", lambda: None)


@pytest.fixture
def no_server(monkeypatch):
    monkeypatch.setattr("benchmark.cli.ui.ui_server", lambda *_: pytest.fail("no server is to be started"))


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Addresses that were opened in the browser of a machine with a screen."""
    addresses: list[str] = []
    monkeypatch.setattr("webbrowser.open", addresses.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return addresses


@contextmanager
def listener() -> Iterator[int]:
    """A port on which another process listens."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield door.getsockname()[1]


# The server


def test_an_interruption_while_it_starts_leaves_nothing(store_uri, tmp_path):
    with listener() as port:
        pass  # free from here on
    process = Shell(tmp_path).start("ui", "--no-browser", "--port", str(port))
    assert any("starting" in line for line in iter(process.stderr.readline, ""))
    servers = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE)

    assert (process.returncode, out) == (130, "")
    assert servers
    assert not [server for server in servers if server.is_running() and server.status() != psutil.STATUS_ZOMBIE]


def test_a_server_that_fails_is_reported_with_its_last_lines(monkeypatch, store_uri, call):
    monkeypatch.setenv("MLFLOW_ARTIFACTS_ONLY", "maybe")

    status, out, err = call("ui", "--no-browser", "--tracking-uri", store_uri)

    assert (status, out) == (1, "")
    reported = err[err.index("error: ") :]
    assert_names(reported, "status 2", "maybe")
    assert 2 <= len(reported.splitlines()) <= 6


@pytest.fixture
def ends_at_once(monkeypatch) -> list[tuple[list[str], dict[str, str]]]:
    """A server that names its store and fails: command and environment of each one that was started."""
    started, real = [], subprocess.Popen

    def note(command, **options):
        started.append((command, options["env"]))
        code = "import os; print('no such store', os.environ['MLFLOW_BACKEND_STORE_URI']); raise SystemExit(1)"
        return real([sys.executable, "-c", code], **options)

    monkeypatch.setattr("benchmark.tracking.ui_server.subprocess.Popen", note)
    return started


def test_a_store_that_cannot_be_opened_is_reported_in_one_line(tmp_path, monkeypatch, call, ends_at_once):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.db").write_text("this is no database")

    status, out, err = call("ui", "--no-browser", "--tracking-uri", "sqlite:///junk.db")

    assert (status, out, len(ends_at_once)) == (2, "", 1)
    assert_names(error_lines(err.splitlines()[-1])[0], "tracking store sqlite:///junk.db: ")
    assert err.count("error: ") == 1


def test_a_password_is_on_no_command_line_and_in_no_message(monkeypatch, call, ends_at_once):
    monkeypatch.setattr("benchmark.cli.ui.TrackingStore", Remote)
    uri = f"postgresql://somebody:{SECRET}@127.0.0.1:9/runs"

    status, out, err = call("ui", "--no-browser", "--tracking-uri", uri)

    assert status == 1
    assert_names(err, "status 1", "no such store")
    assert SECRET not in out + err
    ((command, environment),) = ends_at_once
    assert SECRET not in " ".join(command)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == uri
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize(("before", "printed"), [(signal.SIG_DFL, "interrupted\n"), (signal.SIG_IGN, "not\n")])
def test_a_terminal_that_is_closed_interrupts_but_not_under_nohup(before, printed):
    code = (
        "import os, signal\n"
        "from benchmark.cli.options import interrupt_on_termination\n"
        f"signal.signal(signal.SIGHUP, signal.Handlers({int(before)}))\n"
        "interrupt_on_termination()\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('not')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert answer.stdout == printed


# Before a server is started


@pytest.mark.usefixtures("no_server")
def test_a_store_that_is_not_there_says_how_to_make_it(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)

    status, out, err = call("ui")

    assert (status, out) == (2, "")
    [line] = error_lines(err)
    assert_names(line, "sqlite:///mlflow.db", "`python -m benchmark run all`")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_server")
def test_a_port_or_a_host_that_cannot_be_listened_on_is_refused(store_uri, call):
    with listener() as port:
        for option in (f"--port {port}", "--host nowhere.invalid", "--host 192.0.2.1"):
            status, out, err = call("ui", "--tracking-uri", store_uri, *option.split())

            assert (status, out) == (2, "")
            assert_names(error_lines(err.splitlines()[-1])[0], option)


def test_a_default_port_that_is_taken_gives_way_to_a_free_one(monkeypatch):
    with listener() as port:
        monkeypatch.setattr("benchmark.tracking.ui_server.DEFAULT_PORT", port)

        assert choose_port("127.0.0.1", None) != port
    assert choose_port("127.0.0.1", None) == port


def test_another_port_and_an_open_host_are_reported(monkeypatch, store_uri, call):
    def refuse(uri, host, port):
        raise AddressError(f"{host} {port}")

    monkeypatch.setattr("benchmark.cli.ui.ui_server", refuse)
    monkeypatch.setattr("benchmark.cli.ui.choose_port", lambda *_: 5123)

    err = call("ui", "--tracking-uri", store_uri, "--host", "0.0.0.0")[2]  # noqa: S104  nothing listens there

    another, reached, refused = err.splitlines()
    assert_names(another, "5000", "5123")
    assert "5123" in reached
    assert refused == "error: 0.0.0.0 5123"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_a_port_that_is_none_is_wrong_use(port, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["ui", f"--port={port}"])

    assert caught.value.code == 2
    assert_names(capsys.readouterr().err, repr(port), "1", "65535")


# A store that is a server already


class Remote:
    """Stands for a store elsewhere."""

    def __init__(self, uri: str, cache_dir: Path) -> None:
        self.uri = uri

    def experiment_of(self, profile: str) -> str | None:
        return {"quick": "7"}.get(profile)


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize(
    ("profile", "place"), [("quick", "/#/experiments/7/runs?workflowType="), ("paper", "/#/experiments?workflowType=")]
)
def test_of_a_tracking_server_the_page_is_opened_and_no_other_server_started(monkeypatch, call, opened, profile, place):
    monkeypatch.setattr("benchmark.cli.ui.TrackingStore", Remote)
    uri = f"https://somebody:{SECRET}@example.org:8443/mlflow/"

    status, out, err = call("ui", "--tracking-uri", uri, "--profile", profile)

    assert status == 0
    assert SECRET not in err
    assert ("'paper'" in err) == (profile == "paper")
    assert out.startswith(f"https://example.org:8443/mlflow{place}machine_learning")
    assert opened == [out.strip()]


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("screen", [True, False])
def test_no_browser_where_none_is_wanted_or_none_could_be_seen(monkeypatch, call, opened, screen):
    monkeypatch.setattr("benchmark.cli.ui.TrackingStore", Remote)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    if screen:
        monkeypatch.setenv("DISPLAY", ":0")

    status, out, _ = call("ui", "--tracking-uri", "http://example.org", *(["--no-browser"] if screen else []))

    assert (status, opened) == (0, [])
    assert out.startswith("http://example.org/#/")


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", f"postgresql://somebody:{SECRET}@example.org/runs", "./mlruns"])
def test_a_store_that_is_no_server_has_no_address(uri):
    assert server_address(uri) is None
