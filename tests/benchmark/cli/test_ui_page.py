"""MLflow's page as `ui` opens it, in a real browser: what a visitor sees there of our runs."""

import re
import signal

import pytest
from playwright.sync_api import expect

from benchmark.tracking.records import PlanRecord, PlanRow, Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from tests.helpers.shell import PATIENCE, Shell

ACCURACY = {"rnn": 0.77, "lstm": 0.88, "bert-frozen": 0.86}


@pytest.fixture
def page(store_uri, tmp_path) -> str:
    """Address of the page that `ui` prints, over a plan, its three finished runs and one that was set aside."""
    store = TrackingStore(store_uri, tmp_path / "cache")
    rows = tuple(PlanRow(name, "f", None, None, 9, "5" * 64) for name in ACCURACY)
    plan = store.open_plan(PlanRecord("quick", (1,), rows, "made-up reviews", True, 9, 9))
    for name, accuracy in ACCURACY.items():
        labels = run_tags(parent=plan, experiment=name, seed=1, fingerprint="f")
        run = store.start_run("quick", f"{name} seed 1", labels)
        run.log_metrics({"test/accuracy": accuracy, "test/f1": 0.5, "best_val_loss": 0.4, "train_seconds": 9.0})
        run.finish(Status.FINISHED)
    aside = store.start_run("quick", "an old run", run_tags(parent=plan, experiment="rnn", seed=1, fingerprint="f"))
    store.supersede(aside.run_id)
    process = Shell(tmp_path).start("ui", "--no-browser")
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)


def test_it_lists_the_runs_the_best_on_top_with_the_columns_one_compares(browser, page):
    shown = browser.new_page(viewport={"width": 1800, "height": 900})
    shown.goto(page)
    names = shown.get_by_role("link", name=re.compile(r"^[a-z-]+ seed 1$"))
    best_on_top = sorted(ACCURACY, key=ACCURACY.get, reverse=True)

    expect(names).to_have_text([f"{name} seed 1" for name in best_on_top], timeout=1000 * PATIENCE)
    for column in ("test/accuracy", "test/f1", "best_val_loss", "train_seconds"):
        expect(shown.get_by_role("columnheader", name=column).first).to_be_visible()
    expect(shown.get_by_text("an old run")).to_have_count(0)
