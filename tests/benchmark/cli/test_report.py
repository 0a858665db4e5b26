"""`report` as a user calls it: which table, in which form, written where. Nothing is trained."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

import benchmark
from benchmark.config.load import load_suite
from benchmark.plan.plan import make_plan
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded import NOWHERE
from tests.helpers.recorded_plan import cells, record_plan


@pytest.mark.usefixtures("recorded")
def test_the_report_is_the_table_of_the_recorded_runs_and_needs_no_config_file(call):
    Path("experiments.yaml").unlink()

    status, out, err = call("report")

    assert (status, err) == (0, "")
    assert cells(out, "model") == ["seeds", "test accuracy, %"]
    assert cells(out, "lstm") == ["1 of 1", "87.50"]
    assert cells(out, "rnn") == ["0 of 1", "failed"]
    assert "rnn seed 1 failed: NonFiniteError: loss is nan (MLflow run " in out


def test_of_several_plans_the_complete_one_is_reported_exported_and_predicted_from_and_plan_chooses(
    here, call, store_uri
):
    small = load_suite(here / "experiments.yaml", settings={"data.train_size": 100})
    record_plan(store_uri, load_suite(here / "experiments.yaml"), here / "cache")
    fingerprint = make_plan(small, NOWHERE).record.fingerprint
    TrackingStore(store_uri, here / "cache").open_plan(make_plan(small, NOWHERE).record, small.name)

    def sizes(*options: str) -> list[int]:
        return [row["train_size"] for row in json.loads(call("report", "--format", "json", *options)[1])["rows"]]

    assert sizes() == [200] * 4
    assert sizes("--plan", "train_size=100") == sizes("--plan", fingerprint[:8]) == [100] * 4
    assert sizes("--plan", "quick") == [200] * 4
    assert call("predict", "--model", "rnn", "--plan", "train_size=100", "good")[0] == 2
    assert_names(call("export", "out", "--plan", "train_size=100")[2], "train_size=100")
    assert sizes("--from", "out") == [100] * 4
    assert call("report", "--format", "html", "--output", "page", "--plan", fingerprint)[0] == 0
    page = Path("page/index.html").read_text(encoding="utf-8")
    assert_names(page, "plan train_size=100", f"report --profile quick --plan {fingerprint[:8]} ")
    status, out, err = call("report", "--from", "out", "--plan", "quick")
    assert (status, out) == (2, "")
    assert_names(error_lines(err)[0], "--plan quick", "export")


@pytest.mark.usefixtures("recorded")
def test_the_classes_are_in_the_notes_of_the_report_and_of_a_notebook(call):
    printed = json.loads(call("report", "--format", "json")[1])["notes"]
    for notes in (printed, benchmark.load_results().notes):
        (classes,) = [note for note in notes if "negative + positive" in note]
        assert_names(classes, "train 100 + 100", "val 25 + 25", "test 30 + 30", "50.0 %")


@pytest.mark.usefixtures("recorded")
def test_the_report_goes_to_files_by_their_endings_and_replaces_what_is_there(call):
    forms = {"a.md": "markdown", "new/b.CSV": "csv", "c.tex": "latex", "d.txt": "terminal", "e.json": "json"}
    starts = {"a.md": "| model ", "new/b.CSV": "model,experiment,", "c.tex": "% ", "e.json": "{\n"}
    options = [option for path in forms for option in ("--output", path)]
    Path("a.md").write_text("old " * 10_000)

    status, out, err = call("report", *options)

    assert (status, out) == (0, "")
    for line, (path, form) in zip(err.splitlines(), forms.items(), strict=True):
        assert line.endswith(path)
        written = Path(path).read_text()
        assert written == call("report", "--format", form)[1]
        assert written.startswith(starts.get(path, ""))
    assert list(pd.read_csv("new/b.CSV")["model"]) == ["rnn", "lstm", "bert-frozen", "bert-finetuned"]


@pytest.mark.usefixtures("recorded")
def test_an_unknown_ending_or_a_place_that_cannot_be_written_is_named_and_nothing_left_behind(call):
    Path("a-file").touch()
    Path("out/a.md").mkdir(parents=True)

    for path in ("table.docx", "table", "out", "a-file/a.md", "out/a.md"):
        status, out, err = call("report", "--output", path)

        assert (status, out) == (2, "")
        [line] = error_lines(err)
        assert_names(line, f"{path}: ", *([] if path.endswith(".md") else [".md, .csv, .json, .tex, .txt, .html"]))
    assert [path.name for path in Path("out").iterdir()] == ["a.md"]


@pytest.mark.usefixtures("recorded")
def test_an_ending_and_a_form_that_contradict_each_other_are_named_and_nothing_is_written(call):
    for path, form, found in (("t.csv", "json", "csv"), ("t.md", "html", "markdown"), ("t.html", "csv", "html")):
        status, out, err = call("report", "--format", form, "--output", path)

        assert (status, out) == (2, "")
        [line] = error_lines(err)
        assert_names(line, path, form, found)
        assert not Path(path).exists()


@pytest.mark.usefixtures("recorded")
def test_a_form_that_is_named_goes_into_a_file_of_any_other_name_and_a_device_needs_none(call):
    csv, plain = call("report", "--format", "csv")[1], call("report")[1]
    for arguments, expected in ((["--format", "csv"], csv), ([], plain)):
        reading, writing = os.pipe()
        with os.fdopen(reading) as pipe:
            assert call("report", *arguments, "--output", f"/dev/fd/{writing}")[0] == 0
            os.close(writing)
            assert pipe.read() == expected
    assert call("report", "--format", "csv", "--output", "README")[0] == 0
    assert Path("README").read_text() == csv
