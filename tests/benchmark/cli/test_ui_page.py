"""MLflow's page as `ui` opens it, in a real browser: what a visitor sees of our runs, until Ctrl-C."""

import re
import signal
import socket
import urllib.error
import urllib.request

import psutil
import pytest
from playwright.sync_api import expect

from benchmark.tracking.records import PlanRecord, PlanRow, Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from tests.helpers.facts import assert_names
from tests.helpers.shell import PATIENCE, Shell

ACCURACY = {"rnn": 0.77, "lstm": 0.88, "bert-frozen": 0.86}


@pytest.fixture
def recorded(store_uri, tmp_path) -> TrackingStore:
    """A plan, its three finished runs and one that is superseded."""
    store = TrackingStore(store_uri, tmp_path / "cache")
    rows = tuple(PlanRow(name, "f", None, None, 9, "5" * 64) for name in ACCURACY)
    plan = store.open_plan(PlanRecord("quick", (1,), rows, "made-up reviews", True, 9, 9))
    for name, accuracy in ACCURACY.items():
        labels = run_tags(parent=plan, experiment=name, seed=1, fingerprint="f")
        run = store.start_run("quick", f"{name} seed 1", labels)
        run.log_metrics({"test/accuracy": accuracy, "test/f1": 0.5, "best_val_loss": 0.4, "train_seconds": 9.0})
        run.finish(Status.FINISHED)
    old = store.start_run("quick", "an old run", run_tags(parent=plan, experiment="rnn", seed=1, fingerprint="f"))
    store.supersede(old.run_id)
    return store


def test_it_lists_the_runs_the_best_on_top_until_ctrl_c(browser, recorded, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]  # free again from here on
    process = Shell(tmp_path).start("ui", "--no-browser", "--port", str(port))
    page = process.stdout.readline().strip()
    address = f"http://127.0.0.1:{port}"
    experiment = recorded.experiment_of("quick")
    assert page.startswith(f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning&")

    shown = browser.new_page(viewport={"width": 1800, "height": 900})
    shown.goto(page)
    names = shown.get_by_role("link", name=re.compile(r"^[a-z-]+ seed 1$"))
    best_on_top = sorted(ACCURACY, key=ACCURACY.get, reverse=True)
    expect(names).to_have_text([f"{name} seed 1" for name in best_on_top], timeout=1000 * PATIENCE)
    for column in ("test/accuracy", "test/f1", "best_val_loss", "train_seconds"):
        expect(shown.get_by_role("columnheader", name=column).first).to_be_visible()
    expect(shown.get_by_text("an old run")).to_have_count(0)
    servers = psutil.Process(process.pid).children(recursive=True)
    assert len(servers) == 2  # `mlflow ui` and one worker; no job runner

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)

    assert (process.returncode, out) == (0, "")
    assert_names(err.splitlines()[-1], "Ctrl-C")
    assert not [server for server in servers if server.is_running() and server.status() != psutil.STATUS_ZOMBIE]
    with pytest.raises(urllib.error.URLError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{address}/health", timeout=PATIENCE)
