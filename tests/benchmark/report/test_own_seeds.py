"""One model with a single seed beside others with three: each figure and sentence says of what it is."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark.report.forms import render, table_frame
from benchmark.report.page import make_page, render_page
from benchmark.report.provenance import provenance
from benchmark.report.rows import Row
from benchmark.report.table import Report, make_report
from tests.helpers.facts import assert_names
from tests.helpers.made_page import MadePage

ONE = "bert-finetuned"


@pytest.fixture(scope="module")
def made() -> MadePage:
    return MadePage(train_sizes=(1000, 4000))


@pytest.fixture(scope="module")
def report(made) -> Report:
    return report_with(made, {ONE: (2,)})


def report_with(made: MadePage, own: dict[str, tuple[int, ...]]) -> Report:
    results = made.results()
    rows = tuple(replace(row, seeds=own.get(row.experiment, ())) for row in results.plan.rows)
    return make_report(replace(results, plan=replace(results.plan, rows=rows)))


def row_of(report: Report, name: str) -> Row:
    return next(row for row in report.verdict.rows if row.name == name)


def test_the_table_counts_the_seeds_of_each_row(report):
    cells = report.quality.set_index("model")

    assert set(cells.loc[ONE, "seeds"]) == {"1 of 1"}
    assert set(cells.loc["lstm", "seeds"]) == {"3 of 3"}
    assert not cells.loc[ONE, "test accuracy, %"].str.contains("±").any()
    assert cells.loc["lstm", "test accuracy, %"].str.contains("±").all()
    assert all(run.seed == 2 for run in row_of(report, ONE).runs)


def test_a_row_is_complete_with_its_own_seeds_and_incomplete_without_them(made):
    found = report_with(made, {ONE: (2, 9), "lstm": (3,)})

    assert row_of(found, ONE).states == ("FINISHED", "missing")
    assert (row_of(found, ONE).complete, row_of(found, "lstm").complete) == (False, True)


def test_the_notes_name_the_seeds_and_say_what_each_interval_and_test_is_about(report):
    notes = report.notes

    assert_names(notes[0], f"seeds 1, 2, 3; {ONE} 2;")
    [network] = [note for note in notes if "this one network" in note]
    assert_names(network, ONE)
    assert any("±" in note for note in notes)
    rank = next(note for note in notes if note.startswith("Rank"))
    assert_names(rank, "Welch", "methods", "McNemar", "networks", "10 pairs")
    assert (
        len([note for note in notes if note.startswith(("The t-test", "McNemar's test", "A model with one seed"))]) == 3
    )


def test_the_first_finding_says_which_hold_for_methods_and_which_for_networks(report):
    said = report.findings[0]

    assert_names(said, "3 seeds of rnn, lstm, bert-frozen and bow", "methods", f"One seed of {ONE} (seed 2)", "--seed")
    assert said.index("methods") < said.index(ONE)


@pytest.mark.parametrize(
    ("own", "facts"),
    [
        ({}, ["3 seeds per model", "methods"]),
        ({"rnn": (1, 2)}, ["2 to 3 seeds per model", "methods"]),
        (
            dict.fromkeys(("rnn", "lstm", "bert-frozen", ONE, "bow"), (3,)),
            ["One seed per model (seed 3)", "5 networks"],
        ),
    ],
)
def test_seeds_that_are_alike_need_no_distinction(made, own, facts):
    found = report_with(made, own)

    assert_names(found.findings[0], *facts)
    assert not [note for note in found.notes if note.startswith("A model with one seed")]


def test_findings_give_the_difference_that_the_table_shows(report):
    comparison = report.verdict.comparisons[4000]
    accuracy = {row.name: row.accuracy for row in report.verdict.rows if row.plan.train_size == 4000}

    assert list(comparison.letters) == sorted(accuracy, key=lambda name: -accuracy[name])
    for pair in comparison.pairs:
        assert pair.difference == pytest.approx(accuracy[pair.first] - accuracy[pair.second])
        assert pair.about == ("networks" if ONE in (pair.first, pair.second) else "methods")
    best = next(said for said in report.findings if "highest" in said)
    assert_names(best, ONE)


def test_csv_and_json_say_the_seeds_of_each_row(report):
    frame = table_frame(report).set_index(["model", "train_size"])
    written = pd.read_csv(io.StringIO(render(report, "csv")), index_col=["model", "train_size"])
    content = json.loads(render(report, "json"))

    one = frame.loc[ONE, 4000]
    assert (one["seeds"], one["state_seed_2"], one["state_seed_1"], one["run_id_seed_3"]) == ("2", "FINISHED", "", "")
    assert np.isnan(one["test_accuracy_seed_1"])
    assert frame.loc[("lstm", 4000), "seeds"] == "1 2 3"
    assert written["test_accuracy_seed_2"].notna().all()
    assert content["seeds"] == [1, 2, 3]
    assert {row["model"]: row["seeds"] for row in content["rows"]}[ONE] == [2]
    assert {pair["about"] for pair in content["comparisons"][0]["pairs"]} == {"methods", "networks"}
    assert len({pair["test"] for pair in content["comparisons"][0]["pairs"]}) == 2


def test_the_page_shows_each_run_of_each_row(made, report):
    details = made.details(report.results)
    page = make_page(report, details)
    origin = provenance(report.results, details)

    assert dict(origin["facts"])["seeds"] == f"1, 2, 3; {ONE} 2"
    seeds = [seed for name, seed, *_ in origin["runs"].rows if name == f"{ONE}, trained on 4,000"]
    assert (seeds, len(origin["runs"].rows)) == (["2"], 2 * (4 * 3 + 1))
    pairs = next(picture for picture in page.pictures if picture.key == "pairs-4000")
    assert {line[-1] for line in pairs.table.rows} == {"methods", "networks"}
    assert f"<dd>1, 2, 3; {ONE} 2</dd>" in render_page(page, made.review_texts())
