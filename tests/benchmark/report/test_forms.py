"""The forms of a report: terminal, Markdown, CSV, JSON and LaTeX."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmark.report.forms import FORMS, SCHEMA_VERSION, destination, render, table_frame
from benchmark.report.table import Report
from benchmark.tracking.records import PlanEntry, PlanRecord, RunRecord, Status
from data_pipeline.errors import one_line
from tests.benchmark.report.test_table import BERT, ENCODER, figure, plan_of, report_of, row_of, run_of
from tests.helpers.facts import assert_names

ROOT = Path(__file__).resolve().parents[3]
FOR_READERS = ("terminal", "markdown", "latex")


@pytest.fixture
def report() -> Report:
    """Two seeds of one row, one with a name and a note that LaTeX would trip over; the other row is incomplete."""
    plan = plan_of(row_of("my_lstm", published=figure()), row_of("bert", BERT, ENCODER), seeds=(1, 2))
    return report_of(plan, [run_of(1), run_of(2), run_of(1, Status.FAILED, BERT, "bert", "100 % of memory")])


@pytest.mark.parametrize("form", FOR_READERS)
def test_every_form_for_readers_has_every_cell_and_sentence(report, form):
    text = render(report, form)
    plain = text.replace("\\_", "_").replace("$\\pm$", "±")

    for sentence in (*report.findings, *report.notes):
        assert sentence in text
    for table in report.tables:
        for cell in table.frame.to_numpy().ravel():
            assert cell in plain


def test_the_terminal_and_markdown_forms_are_tables_and_lists(report):
    box, *_, sentences = render(report, "terminal", 200).rstrip("\n").split("\n\n")
    table, _, cost, *_, notes = render(report, "markdown").rstrip("\n").split("\n\n")

    assert {len(line) for line in box.splitlines()} == {len(box.splitlines()[0])}
    assert tuple(sentences.splitlines()) == report.notes
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert cells[0] == list(report.quality.columns)
    assert all(set(cell) <= {"-", ":"} for cell in cells[1])
    assert cells[2:] == report.quality.to_numpy().tolist()
    assert len(cost.splitlines()) == 4
    assert notes.splitlines() == [f"- {note}" for note in report.notes]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_terminal_form_splits_tables_that_are_wider_than_the_terminal(report, width):
    boxes = [line for line in render(report, "terminal", width).splitlines() if line[:1] in ("│", "╭")]
    heads = [line for line in boxes if line.startswith("│ model")]

    assert max(map(len, boxes)) <= width
    assert [cell.strip() for line in heads for cell in line.split("│")[1:-1] if cell.strip() != "model"] == [
        column.title for table in report.tables for column in table.columns[1:]
    ]
    assert (len(heads) == len(report.tables)) is (width == 200)


def test_of_several_plans_the_terminal_form_says_which_one_this_is(report):
    entry = PlanEntry("id", "train_size=300", "c" * 16, number=2, count=3)
    one, two = (replace(report, results=replace(report.results, entry=replace(entry, count=n))) for n in (1, 3))

    assert render(one, "terminal").startswith("╭")
    assert_names(render(two, "terminal").splitlines()[0], "train_size=300", "c" * 8, "2 of 3", "list", "--plan")
    assert json.loads(render(two, "json"))["plan"] == "train_size=300"


def test_the_csv_form_is_the_frame_with_one_line_per_row_and_numbers_as_numbers(report):
    frame = table_frame(report)

    pd.testing.assert_frame_equal(
        pd.read_csv(
            io.StringIO(render(report, "csv")), dtype=frame.dtypes.to_dict(), keep_default_na=False, na_values=""
        ),
        frame.replace("", None),
    )
    assert list(frame["model"]) == ["my_lstm", "bert"]
    first, _ = frame.to_dict("records")
    assert (first["test_accuracy_mean"], first["train_seconds"], first["parameters"]) == (0.86, 200.0, 22_600_000)
    assert first["test_accuracy_interval_low"] < 0.86 < first["test_accuracy_interval_high"]
    assert frame[["test_accuracy_mean", "parameters"]].isna().to_numpy().tolist() == [[False] * 2, [True] * 2]
    assert not [name for name in frame if name.startswith("published")]
    assert first["seeds"] == "1 2"
    assert [first[f"run_id_seed_{seed}"] for seed in (1, 2)] == ["id-lstm-1", "id-lstm-2"]
    assert [first[f"test_{score}_seed_2"] for score in ("accuracy", "f1", "roc_auc")] == [0.86, 0.87, 0.93]
    assert list(frame["state_seed_1"]) == ["FINISHED", "FAILED"]
    assert frame["test_accuracy_seed_1"].isna().tolist() == [False, True]
    assert {"bool", "int64", "float64", "Int64"} == set(frame.dtypes.astype(str)) - {"str", "object"}


def test_the_json_form_has_a_version_and_every_figure_and_is_documented(report):
    again = json.loads(render(report, "json"))

    assert again["schema_version"] == SCHEMA_VERSION
    assert [row["model"] for row in again["rows"]] == ["my_lstm", "bert"]
    first, second = again["rows"]
    assert first["test_accuracy"] == {"mean": 0.86, "sd": 0.0}
    assert first["test_accuracy_by_seed"] == [0.86, 0.86]
    assert first["test_accuracy_interval"]["low"] < 0.86 < first["test_accuracy_interval"]["high"]
    assert (second["complete"], second["test_accuracy"]["mean"]) == (False, None)
    assert again["notes"] == list(report.notes)
    document = (ROOT / "docs" / "report-schema.md").read_text(encoding="utf-8")
    for name in (*again, *again["rows"][0], "first", "second", "adjusted_p", "smallest_detectable", "discordance"):
        assert f"`{name}`" in document


def test_the_documented_version_is_the_one_written():
    document = (ROOT / "docs" / "report-schema.md").read_text(encoding="utf-8")

    assert f"schema_version` is {SCHEMA_VERSION}" in document


def test_the_latex_form_escapes_what_latex_would_read(report):
    text = render(report, "latex")
    table = [line for line in text.splitlines() if line and not line.startswith("%")]

    assert table[0].startswith(r"\begin{tabular}")
    assert {r"\toprule", r"\midrule", r"\bottomrule"} <= set(table)
    assert any(line.startswith(r"my\_lstm &  & 2 of 2 & 86.00 $\pm$ 0.00 & ") for line in table)
    assert r"test accuracy, \%" in text
    body = "\n".join(table).replace(r"\%", "").replace(r"\_", "")
    assert not {"%", "_", "±"} & set(body)
    assert text.splitlines()[: len(report.notes)] == [f"% {note}" for note in report.notes]


@pytest.mark.parametrize("form", FOR_READERS)
def test_texts_of_others_break_no_line_and_no_comment(form):
    """As an old store may have them: names, sources and errors."""
    hostile = "one\n\\input{two}\rthree \x1b[31m \u202e"
    plan = plan_of(
        row_of(hostile, published=figure() | {"source": hostile, "setup": hostile}), row_of("bert", BERT, hostile)
    )
    text = render(report_of(plan, [run_of(1), run_of(1, Status.FAILED, BERT, "bert", hostile)]), form)

    assert all(line == one_line(line) for line in text.split("\n"))
    assert not [line for line in text.split("\n") if line.startswith((r"\input", "three"))]
    if form == "latex":
        assert r"\input" not in "".join(line for line in text.splitlines() if not line.startswith("%"))


def many_rows() -> tuple[PlanRecord, list[RunRecord]]:
    rows = [
        row_of(name, letter * 16, encoder, figure(corpus=name))
        for name, letter, encoder in (("rnn", "1", None), ("lstm", "2", None), ("bert", "3", "e1"), ("bart", "4", "e2"))
    ]
    return plan_of(*rows), [run_of(fingerprint=row.fingerprint, name=row.experiment) for row in rows]


def test_a_published_figure_gives_the_same_bytes_in_any_order_of_its_keys():
    """An export writes them sorted."""
    turned = dict(reversed(figure().items()))
    texts = {
        render(report_of(plan_of(row_of("lstm", published=each)), [run_of(1)]), "json") for each in (figure(), turned)
    }

    assert len(texts) == 1


@pytest.mark.parametrize("form", FORMS)
def test_the_same_records_give_the_same_bytes(form):
    plan, runs = many_rows()

    once = render(report_of(plan, runs), form)

    assert render(report_of(PlanRecord.from_json(plan.to_json()), [replace(run) for run in runs[::-1]]), form) == once


def test_another_process_gives_the_same_bytes():
    """Where Python keeps words in another order."""
    code = (
        "import sys; from benchmark.report.forms import render;"
        "from tests.benchmark.report.test_forms import many_rows, report_of;"
        "sys.stdout.buffer.write(render(report_of(*many_rows()), 'markdown').encode())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)

    assert answer.stdout.decode() == render(report_of(*many_rows()), "markdown")


def test_standard_output_needs_no_ending_also_where_it_goes_into_a_file(tmp_path):
    with (tmp_path / "t").open("w") as file:
        stream = Path(f"/dev/fd/{file.fileno()}")
        assert destination(None, stream) == ("terminal", stream)
