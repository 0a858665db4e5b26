"""A plan's results in a folder: the same report without the store, and a damaged or foreign folder refused in words."""

import json
import shutil
from pathlib import Path

import pytest

from benchmark.recorded_explanations import explanations_in, write_explanations
from benchmark.records import PlanRecord, PlanRow, Status
from benchmark.review_explanation import Explanations, ReviewExplanation
from benchmark.speeds import THROUGHPUT
from benchmark.tracking.tags import run_tags
from tests.helpers.recorded import SPEED, Made, eight_predictions, epoch

LSTM, RNN = "a" * 16, "b" * 16


def finished(name, fingerprint, right) -> Made:
    share = right / 8
    metrics = {f"test/{score}": share for score in ("accuracy", "f1", "roc_auc", "log_loss")}
    metrics |= {"parameters_total": 1000.0, "parameters_trainable": 10.0, "train_seconds": 10.0}
    return Made(name, fingerprint=fingerprint, metrics=metrics, predictions=eight_predictions(right), epochs=[epoch(1)])


@pytest.fixture
def recorded(store):
    """Two finished runs, a failed one, and a speed."""
    rows = [
        PlanRow(name, mark, None, None, 100, "s") for name, mark in (("lstm", LSTM), ("rnn", RNN), ("gru", "c" * 16))
    ]
    store.open_plan(PlanRecord("quick", (1,), tuple(rows), "reviews", False, 10, 8))
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
    assert (status, out, err) == (0, "", "wrote out: 2 finished runs\n")
    return tmp_path / "out"


class TestAnExport:
    @pytest.mark.parametrize("form", ["terminal", "markdown", "csv", "json", "latex"])
    def test_gives_the_same_report_to_the_byte(self, folder, call, form):
        assert call("report", "--from", "out", "--format", form) == call("report", "--format", form)

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
        assert len(json.loads((folder / "runs.json").read_text())) == 3

    def test_takes_explanations_along(self, recorded, call, tmp_path):
        run = next(run for run in recorded.runs("quick") if run.experiment == "lstm")
        why = ReviewExplanation(
            tokens=((0, 3),),
            attributions=(0.5,),
            attention=None,
            margin=0.5,
            baseline_margin=0.0,
            completeness_error=0.0,
            steps=16,
        )
        write_explanations(recorded, run.run_id, Explanations(reviews={"a-0": why}))
        call("export", "out")

        assert explanations_in(tmp_path / "out" / "runs" / run.run_id).reviews == {"a-0": why}

    def test_tells_nothing_of_who_made_it_or_where(self, folder):
        text = (folder / "runs.json").read_text()

        assert "mlflow.user" not in text
        assert str(Path.home()) not in text
        assert "benchmark.lock" not in text

    def test_twice_is_the_same_to_the_byte(self, folder, call):
        call("export", "again")

        for path in (path for path in folder.rglob("*") if path.is_file()):
            assert path.read_bytes() == (folder.parent / "again" / path.relative_to(folder)).read_bytes()

    def test_does_not_touch_what_is_there(self, folder, call):
        status, _, err = call("export", "out")

        assert (status, err) == (2, "error: out: is there already; name another, or remove it\n")

    def test_may_go_into_an_empty_folder(self, recorded, call, tmp_path):
        (tmp_path / "empty").mkdir()

        assert call("export", "empty")[0] == 0

    def test_needs_a_folder_with_a_name(self, recorded, call, tmp_path, monkeypatch):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        status, _, err = call("export", ".", "--cache-dir", str(tmp_path / "cache"))

        assert (status, err) == (2, "error: .: is the working directory; name a folder in it\n")

    def test_that_cannot_be_written_leaves_nothing(self, recorded, call, tmp_path):
        (tmp_path / "file").touch()

        status, _, err = call("export", "file/out")

        assert status == 2
        assert err.startswith("error: file/out: cannot be written: ")
        assert [path.name for path in tmp_path.glob(".*partial")] == []


def change(path: Path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


class TestRefused:
    def refusal(self, call) -> str:
        status, out, err = call("report", "--from", "out")
        assert (status, out) == (2, "")
        (line,) = err.splitlines()
        return line.removeprefix("error: ")

    def test_a_folder_that_is_none(self, call, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        assert self.refusal(call) == (
            "out: is no export: it has no readable manifest.json; `python -m benchmark export DIR` makes one"
        )

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"export_version": 1, "files": 3}', "[" * 100_000])
    def test_a_manifest_that_is_none(self, folder, call, content):
        (folder / "manifest.json").write_text(content)

        assert "is no export" in self.refusal(call)

    def test_another_version(self, folder, call):
        change(folder / "manifest.json", export_version=99)

        assert "is an export of version 99, and this suite reads 1" in self.refusal(call)

    @pytest.mark.parametrize("name", ["runs.json", "plan.json", "speeds.json"])
    def test_a_file_that_was_changed(self, folder, call, name):
        with (folder / name).open("a") as file:
            file.write(" ")

        assert self.refusal(call) == f"out/{name}: has been changed since it was exported; export it again"

    def test_predictions_that_were_changed(self, folder, call):
        path = next(folder.rglob("predictions.parquet"))
        path.write_bytes(path.read_bytes()[:-1])

        assert "predictions.parquet: has been changed" in self.refusal(call)

    def test_a_file_that_is_missing(self, folder, call):
        next(folder.rglob("predictions.parquet")).unlink()

        assert self.refusal(call).endswith("predictions.parquet: is missing; export it again")

    @pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
    def test_a_manifest_that_leads_out_of_the_folder(self, folder, call, name):
        files = json.loads((folder / "manifest.json").read_text())["files"]
        change(folder / "manifest.json", files=files | {name: "0"})

        assert "its manifest.json is damaged at" in self.refusal(call)

    def forge(self, folder, name, content):
        """A file and its hash in the manifest, changed together."""
        import hashlib

        (folder / name).write_text(content)
        files = json.loads((folder / "manifest.json").read_text())["files"]
        files[name] = hashlib.sha256(content.encode()).hexdigest()
        change(folder / "manifest.json", files=files)

    @pytest.mark.parametrize("content", ["nonsense", "{}", '[{"run_id": 3}]'])
    def test_records_that_are_none(self, folder, call, content):
        self.forge(folder, "runs.json", content)

        assert self.refusal(call).startswith("out/runs.json: ")

    def test_a_plan_that_is_none(self, folder, call):
        self.forge(folder, "plan.json", '{"profile": "quick"}')

        assert self.refusal(call).startswith("out/plan.json: not a plan of this version")

    def test_a_record_that_its_predictions_contradict(self, folder, call):
        runs = json.loads((folder / "runs.json").read_text())
        runs[0]["metrics"]["test/accuracy"] = 0.99
        self.forge(folder, "runs.json", json.dumps(runs))

        assert "its predictions are right of 87.500 % and its record says 99.000 %" in self.refusal(call)

    @pytest.mark.parametrize("name", ["best_epoch", "train_seconds", "test/f1"])
    def test_a_figure_that_is_no_number(self, folder, call, name):
        runs = json.loads((folder / "runs.json").read_text())
        runs[0]["metrics"][name] = float("nan")
        self.forge(folder, "runs.json", json.dumps(runs))

        assert f"is finished and has no {name}" in self.refusal(call)

    def test_a_run_id_that_leads_out_of_the_folder(self, folder, call):
        runs = json.loads((folder / "runs.json").read_text())
        runs[0]["run_id"] = "../../somewhere"
        self.forge(folder, "runs.json", json.dumps(runs))

        assert "has no file runs/../../somewhere/predictions.parquet" in self.refusal(call)


class TestTheStoresRecords:
    def test_predictions_of_other_reviews_are_refused(self, store, call):
        rows = [PlanRow(name, mark, None, None, 100, "s") for name, mark in (("lstm", LSTM), ("rnn", RNN))]
        store.open_plan(PlanRecord("quick", (1,), tuple(rows), "reviews", False, 10, 8))
        finished("lstm", LSTM, 7).record(store)
        other = finished("rnn", RNN, 5)
        other.predictions["id"] = [f"other {number}" for number in range(8)]
        other.record(store)

        status, _, err = call("report")

        assert status == 2
        assert "are about other reviews than those of the plan's first run: they cannot be compared" in err

    def test_predictions_that_are_gone_are_told(self, recorded, call):
        run = recorded.find_run(next(run.run_id for run in recorded.runs("quick") if run.experiment == "lstm"))
        for path in Path().rglob(f"{run.run_id}/artifacts/predictions.parquet"):
            path.unlink()

        status, _, err = call("report")

        assert status == 2
        assert f"artifact predictions.parquet of run {run.run_id} cannot be read" in err
