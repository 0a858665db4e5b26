"""A plan's results in a folder: the same report without the store, and a damaged or foreign folder refused."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmark.profiling.measure import THROUGHPUT
from benchmark.tracking.explanations import Explanations, ReviewExplanation, explanations_in, write_explanations
from benchmark.tracking.records import PlanRecord, PlanRow, Status
from benchmark.tracking.tags import run_tags
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded import SPEED, Made, eight_predictions, epoch

LSTM, RNN = "a" * 16, "b" * 16


def finished(name, fingerprint, right) -> Made:
    share = right / 8
    metrics = {f"test/{score}": share for score in ("accuracy", "f1", "roc_auc", "log_loss")}
    metrics |= {"parameters_total": 1000.0, "parameters_trainable": 10.0, "train_seconds": 10.0}
    return Made(name, fingerprint=fingerprint, metrics=metrics, predictions=eight_predictions(right), epochs=[epoch(1)])


def explanation(tokens, attributions) -> ReviewExplanation:
    sums = {"margin": sum(attributions), "baseline_margin": 0.0, "completeness_error": 0.0, "steps": 16}
    return ReviewExplanation(tokens=tokens, attributions=attributions, attention=None, **sums)


@pytest.fixture
def recorded(store):
    """Two finished runs, a failed one, and a speed."""
    rows = [
        PlanRow(name, mark, None, None, 100, "s") for name, mark in (("lstm", LSTM), ("rnn", RNN), ("gru", "c" * 16))
    ]
    store.open_plan(PlanRecord("quick", (1,), tuple(rows), "reviews", False, 10, 8, audit=("4 reviews are left out.",)))
    finished("lstm", LSTM, 7).record(store)
    finished("rnn", RNN, 5).record(store)
    Made("gru", fingerprint="c" * 16, status=Status.FAILED, error="boom", predictions=None).record(store)
    labels = run_tags(parent="", experiment="lstm", seed=1, fingerprint=LSTM, kind=THROUGHPUT)
    tracker = store.start_run("quick", "throughput of lstm", labels)
    tracker.log_metrics(SPEED.metrics())
    tracker.finish(Status.FINISHED)
    return store


@pytest.fixture
def folder(recorded, call, tmp_path) -> Path:
    status, out, err = call("export", "out")
    assert (status, out, err.count("\n")) == (0, "", 1)
    assert_names(err, "out", "2")
    return tmp_path / "out"


class TestAnExport:
    def test_gives_the_same_report_to_the_byte(self, folder, call):
        for form in ("terminal", "markdown", "csv", "json", "latex"):
            assert call("report", "--from", "out", "--format", form) == call("report", "--format", form)
        assert "4 reviews are left out." in call("report", "--from", "out")[1]

    def test_holds_the_runs_of_rows_with_other_seeds(self, store, call):
        rows = (PlanRow("lstm", LSTM, None, None, 100, "s"), PlanRow("rnn", RNN, None, None, 100, "s", seeds=(2,)))
        store.open_plan(PlanRecord("quick", (1, 2), rows, "reviews", False, 10, 8))
        for name, fingerprint, seed in (("lstm", LSTM, 1), ("lstm", LSTM, 2), ("rnn", RNN, 1), ("rnn", RNN, 2)):
            replace(finished(name, fingerprint, 7), seed=seed).record(store)

        assert_names(call("export", "out")[2], "3")
        assert call("report", "--from", "out") == call("report")
        assert call("report")[1].count("1 of 1") == 1

    def test_needs_no_store(self, folder, call, tmp_path, monkeypatch):
        here = call("report")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        shutil.move(folder, elsewhere / "taken")
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///none.db")

        assert call("report", "--from", "taken") == here
        assert not (elsewhere / "none.db").exists()

    def test_holds_settings_metrics_by_epoch_predictions_and_environment_of_each_finished_run(self, folder):
        runs = list((folder / "runs").iterdir())
        files = {"config.yaml", "environment.json", "histories.json", "predictions.parquet"}

        assert len(runs) == 2
        for run in runs:
            assert {file.name for file in run.iterdir()} == files
            assert json.loads((run / "histories.json").read_text())["val/loss"] == {"1": 0.8}
        text = (folder / "runs.json").read_text()
        assert len(json.loads(text)) == 3
        for private in ("mlflow.user", str(Path.home()), "benchmark.lock"):
            assert private not in text

    def test_takes_explanations_along(self, recorded, call, tmp_path):
        run = next(run for run in recorded.runs("quick") if run.experiment == "lstm")
        why = explanation(((0, 3),), (0.5,))
        write_explanations(recorded, run.run_id, Explanations(reviews={"a-0": why}))
        call("export", "out")

        assert explanations_in(tmp_path / "out" / "runs" / run.run_id).reviews == {"a-0": why}

    def test_refuses_a_folder_that_is_not_empty_has_no_name_or_cannot_be_made(
        self, recorded, call, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "there").mkdir()
        for file in ("file", "there/file"):
            (tmp_path / file).touch()
        before = sorted(tmp_path.iterdir())

        for name in ("there", ".", "file/out"):
            status, out, err = call("export", name)
            assert (status, out, [line.split(":")[0] for line in error_lines(err)]) == (2, "", [name])
        assert sorted(tmp_path.iterdir()) == before


def change(path: Path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def forge(folder: Path, name: str, content: str) -> None:
    """A file and its hash in the manifest, changed together."""
    (folder / name).write_text(content)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    change(folder / "manifest.json", files=files | {name: hashlib.sha256(content.encode()).hexdigest()})


class TestRefused:
    @pytest.fixture
    def refusal(self, call):
        def report_from_it() -> str:
            status, out, err = call("report", "--from", "out")
            assert (status, out) == (2, "")
            (message,) = error_lines(err)
            return message

        return report_from_it

    def test_a_folder_without_a_manifest_of_this_version(self, folder, refusal):
        manifest = folder / "manifest.json"
        change(manifest, export_version=99)
        assert_names(refusal(), "out", "got 99, expected 2")
        for content in ("", "[]", "{}", '{"export_version": 1, "files": 3}', "[" * 100_000):
            manifest.write_text(content)
            assert_names(refusal(), "out", "manifest.json", "python -m benchmark export")
        manifest.unlink()
        assert_names(refusal(), "out", "manifest.json", "python -m benchmark export")

    def test_a_file_that_was_changed_or_is_missing(self, folder, refusal):
        predictions = next(folder.rglob("predictions.parquet")).relative_to(folder).as_posix()

        for name in ("runs.json", "plan.json", "speeds.json", predictions):
            content = (folder / name).read_bytes()
            (folder / name).write_bytes(content + b" ")
            assert_names(refusal(), f"out/{name}", "changed")
            (folder / name).unlink()
            assert_names(refusal(), f"out/{name}", "missing")
            (folder / name).write_bytes(content)

    def test_a_manifest_that_leads_out_of_the_folder(self, folder, refusal):
        files = json.loads((folder / "manifest.json").read_text())["files"]

        for name in ("../../etc/passwd", "/etc/passwd"):
            change(folder / "manifest.json", files=files | {name: "0"})
            assert_names(refusal(), "manifest.json", name)

    def test_records_that_are_none(self, folder, refusal):
        for name, content in (("runs.json", "nonsense"), ("runs.json", '[{"run_id": 3}]'), ("plan.json", "{}")):
            forge(folder, name, content)
            assert refusal().startswith(f"out/{name}: ")

    @pytest.mark.parametrize(
        ("field", "value", "facts"),
        [
            ("run_id", "../../somewhere", ["runs/../../somewhere/predictions.parquet"]),
            ("test/accuracy", 0.99, ["87.500 %", "99.000 %"]),
            *((name, float("nan"), [name]) for name in ("best_epoch", "train_seconds", "test/f1")),
        ],
    )
    def test_a_record_that_cannot_be_true(self, folder, refusal, field, value, facts):
        runs = json.loads((folder / "runs.json").read_text())
        part = runs[0] if field in runs[0] else runs[0]["metrics"]
        part[field] = value
        forge(folder, "runs.json", json.dumps(runs))

        assert_names(refusal(), *facts)


def test_predictions_of_other_reviews_or_that_are_gone_are_refused(recorded, call):
    run = next(run for run in recorded.runs("quick") if run.experiment == "lstm")
    (path,) = Path().rglob(f"{run.run_id}/artifacts/predictions.parquet")
    table = pd.read_parquet(path)
    table.assign(id="other " + table["id"]).to_parquet(path, index=False)

    status, _, err = call("report")
    assert status == 2
    assert_names(err, "predictions", "reviews")
    path.unlink()
    status, _, err = call("report")
    assert status == 2
    assert_names(err, "predictions.parquet", run.run_id)
