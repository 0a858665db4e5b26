"""`report` as a user calls it: which table, in which form, written where. Nothing is trained."""

from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded_plan import cells


@pytest.fixture(scope="session")
def tiny_encoder(encoder_without_weights):
    """No command here loads one."""
    return encoder_without_weights


@pytest.mark.usefixtures("recorded")
def test_the_report_is_the_table_of_the_recorded_runs_and_needs_no_config_file(call):
    Path("experiments.yaml").unlink()

    status, out, err = call("report")

    assert (status, err) == (0, "")
    assert cells(out, "model") == ["seeds", "test accuracy, %"]
    assert cells(out, "lstm") == ["1 of 1", "87.50"]
    assert cells(out, "rnn") == ["0 of 1", "failed"]
    assert "rnn seed 1 failed: NonFiniteError: loss is nan (MLflow run " in out


@pytest.mark.usefixtures("recorded")
def test_the_report_goes_to_files_by_their_endings_and_replaces_what_is_there(call):
    forms = {"a.md": "markdown", "new/b.csv": "csv", "c.tex": "latex", "d.txt": "terminal", "e.json": "json"}
    starts = {"a.md": "| model ", "new/b.csv": "model,experiment,", "c.tex": "% ", "e.json": "{\n"}
    options = [option for path in forms for option in ("--output", path)]
    Path("a.md").write_text("old " * 10_000)

    status, out, err = call("report", *options)

    assert (status, out) == (0, "")
    for line, (path, form) in zip(err.splitlines(), forms.items(), strict=True):
        assert line.endswith(path)
        written = Path(path).read_text()
        assert written == call("report", "--format", form)[1]
        assert written.startswith(starts.get(path, ""))
    assert list(pd.read_csv("new/b.csv")["model"]) == ["rnn", "lstm", "bert-frozen", "bert-finetuned"]


@pytest.mark.usefixtures("recorded")
def test_an_unknown_ending_or_a_place_that_cannot_be_written_is_named_and_nothing_left_behind(call):
    Path("a-file").touch()
    Path("out/a.md").mkdir(parents=True)

    for path in ("table.docx", "table", "table.MD", "a-file/a.md", "out/a.md"):
        status, out, err = call("report", "--output", path)

        assert (status, out) == (2, "")
        [line] = error_lines(err)
        assert_names(line, f"{path}: ", *([] if path.endswith(".md") else [".md, .csv, .json, .tex, .txt"]))
    assert [path.name for path in Path("out").iterdir()] == ["a.md"]
