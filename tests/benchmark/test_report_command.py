"""`report` as a user calls it: which table, in which form, written where. Nothing is trained."""

from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.recorded_plan import cells


@pytest.fixture(scope="session")
def tiny_encoder(encoder_without_weights):
    """No command here loads one."""
    return encoder_without_weights


@pytest.mark.usefixtures("here")
def test_a_report_without_runs_says_how_to_make_them(call):
    status, out, err = call("report")

    assert (status, out) == (2, "")
    assert "no run of profile 'quick' is recorded here" in err
    assert "`python -m benchmark run all --profile quick`" in err


@pytest.mark.usefixtures("recorded")
def test_the_report_is_the_table_of_the_recorded_runs(call):
    status, out, err = call("report")

    assert (status, err) == (0, "")
    assert cells(out, "model") == ["seeds", "test accuracy, %"]
    assert cells(out, "lstm") == ["1 of 1", "87.50"]
    assert cells(out, "rnn") == ["0 of 1", "failed"]
    assert "rnn seed 1 failed: NonFiniteError: loss is nan (MLflow run " in out


@pytest.mark.usefixtures("recorded")
def test_the_report_needs_no_config_file(call):
    Path("experiments.yaml").unlink()

    assert call("report")[0] == 0


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("form", "start"), [("markdown", "| model "), ("csv", "model,experiment,"), ("json", "{\n"), ("latex", "% ")]
)
def test_the_report_has_other_forms(call, form, start):
    assert call("report", "--format", form)[1].startswith(start)


@pytest.mark.usefixtures("recorded")
def test_the_report_goes_to_files_by_their_endings(call):
    forms = {"a.md": "markdown", "new/b.csv": "csv", "c.tex": "latex", "d.txt": "terminal"}
    options = [option for path in forms for option in ("--output", path)]

    status, out, err = call("report", *options)

    assert (status, out, err) == (0, "", "".join(f"wrote {path}\n" for path in forms))
    for path, form in forms.items():
        assert Path(path).read_text() == call("report", "--format", form)[1]
    assert list(pd.read_csv("new/b.csv")["model"]) == ["rnn", "lstm", "bert-frozen", "bert-finetuned"]


@pytest.mark.usefixtures("recorded")
def test_a_file_that_is_there_is_replaced_whole(call):
    Path("a.md").write_text("old " * 10_000)

    call("report", "--output", "a.md")

    assert "old" not in Path("a.md").read_text()


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("name", ["table.docx", "table", "table.MD"])
def test_an_unknown_ending_is_refused_before_anything_is_written(call, name):
    status, out, err = call("report", "--output", "a.md", "--output", name)

    assert (status, out) == (2, "")
    assert err == f"error: --output {name}: the ending says the form; one of .md, .csv, .json, .tex, .txt\n"
    assert not Path("a.md").exists()


@pytest.mark.usefixtures("recorded")
def test_a_place_that_cannot_be_written_is_named(call):
    Path("a-file").touch()

    status, out, err = call("report", "--output", "a-file/a.md")

    assert (status, out) == (2, "")
    assert err.startswith("error: a-file/a.md: cannot be written: ")


@pytest.mark.usefixtures("recorded")
def test_what_cannot_be_written_leaves_nothing_behind(call):
    Path("out/a.md").mkdir(parents=True)

    assert call("report", "--output", "out/a.md")[0] == 2
    assert [path.name for path in Path("out").iterdir()] == ["a.md"]
