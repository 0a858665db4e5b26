"""Another system in the report: it stands in table, letters, tests and findings, marked; its cost is not known."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from benchmark.report.forms import render
from benchmark.report.page import make_page, render_page
from benchmark.report.provenance import provenance
from benchmark.report.table import Report, make_report
from benchmark.results.external import with_external
from benchmark.results.results import Details, RecordedRun, ResultsError, ReviewTexts
from benchmark.tracking import tags
from tests.helpers.external import external_run
from tests.helpers.facts import assert_names
from tests.helpers.made_page import MadePage

NAME = "gpt-x (external)"


@pytest.fixture(scope="module")
def made() -> MadePage:
    return MadePage(train_sizes=(1000, 4000))


@pytest.fixture(scope="module")
def report(made) -> Report:
    return report_with(made)


def report_with(made: MadePage, wrong: int = 30, **options) -> Report:
    results = made.results()
    run, read = external_run(results, wrong, **options)
    return make_report(with_external(results, [run], read))


def details_of(made: MadePage, report: Report) -> Details:
    """Those of the plan's runs, and of the external one no more than `import` records."""
    found = made.details(report.results)
    (run,) = (run for run in report.results.runs if run.external)
    own = {key: each for key, each in found.runs.items() if key != run.run_id}
    tokens, truncated = ({key: mapping[key] for key in own} for mapping in (found.tokens, found.truncated))
    settings = {"file": "predictions.csv", "sha256": "0" * 64}
    runs = {**own, run.run_id: RecordedRun(run, settings=settings)}
    return replace(found, runs=runs, tokens=tokens, truncated=truncated)


def test_the_row_has_scores_and_letters_and_neither_seeds_nor_train_size_nor_cost(report):
    quality = report.quality.set_index("model")

    assert quality.loc[NAME, "test accuracy, %"] == "95.00"
    assert quality.loc[NAME, "rank"] == "a"
    assert (quality.loc[NAME, "seeds"], quality.loc[NAME, "trained on"]) == ("", "")
    assert all(quality.loc[NAME, column] for column in ("95 % interval", "ROC-AUC, %", "log loss", "ECE, %"))
    assert NAME not in set(report.cost["model"])
    assert NAME not in set(report.curve["model"])


def test_it_is_compared_at_the_largest_train_size_by_mcnemar_with_each_network(report):
    results, comparison = report.results, report.verdict.comparisons[4000]
    assert report.verdict.comparisons[1000].pair(NAME, "rnn") is None
    right = results.logits["e" * 32].argmax(axis=1) == results.labels
    row = next(row for row in results.plan.rows if row.experiment == "rnn" and row.train_size == 4000)
    expected = []
    for network in results.correct(results.finished(row)):
        table = [[0, np.sum(right & ~network)], [np.sum(~right & network), 0]]
        expected.append(mcnemar(table, exact=True).pvalue)

    pair = comparison.pair(NAME, "rnn")
    assert (pair.first, pair.about) == (NAME, "networks")
    assert pair.p == pytest.approx(max(expected), rel=1e-12)


def test_findings_name_it_and_no_price_of_it(report):
    best = next(line for line in report.findings if "highest test accuracy" in line)
    assert_names(best, NAME, "95.00 %")
    assert all(NAME not in line for line in report.findings if "Pareto" in line)
    assert sum(NAME in line and "imported" in line for line in report.findings) == 1
    assert "seeds per model" in " ".join(report.findings)
    assert "1, 2, 3" in report.notes[0]
    assert "gpt-x" not in report.notes[0]


def test_the_sentence_on_one_seed_counts_the_plan_s_own_networks():
    found = report_with(MadePage(seeds=(1,), accuracy={"rnn": 0.8, "bow": 0.85}))

    assert_names(next(line for line in found.findings if "One seed" in line), "2 networks", "seed 1")


def test_beside_no_complete_model_nothing_is_said_of_seeds():
    made = MadePage(seeds=(1, 2), accuracy={"rnn": 0.8})
    results = made.results()
    results = replace(results, runs=results.runs[:1])
    two = [external_run(results, wrong, name=name) for name, wrong in (("gpt-x", 30), ("gpt-y", 90))]
    runs = [replace(run, run_id=f"{number:032d}") for number, (run, _) in enumerate(two)]
    found = make_report(with_external(results, runs, lambda run: two[int(run.run_id)][1](run)))

    assert len(found.verdict.comparisons[4000].pairs) == 1
    assert "seed" not in " ".join(line for line in found.findings if "Incomplete" not in line)


def test_labels_alone_have_no_figure_that_needs_probabilities(made):
    found = report_with(made, only_labels=True)
    cells = found.quality.set_index("model").loc[NAME]

    assert all(cells[column] for column in ("F1, %", "test accuracy, %"))
    assert not any(cells[column] for column in ("ROC-AUC, %", "log loss", "ECE, %"))
    pictures = make_page(found, details_of(made, found)).pictures
    assert not any(NAME in each.title for each in pictures if each.key.startswith("reliability"))
    assert any(NAME in each.title for each in pictures if each.key.startswith("confusion"))


def test_every_form_has_it(made, report):
    for form in ("terminal", "markdown", "latex"):
        assert "gpt-x" in render(report, form)
    (row,) = (row for row in json.loads(render(report, "json"))["rows"] if row["external"])
    assert (row["model"], row["experiment"], row["complete"], row["train_seconds"]) == (NAME, "gpt-x", True, None)
    table = pd.read_csv(io.StringIO(render(report, "csv"))).set_index("model")
    assert table.loc[NAME, "test_accuracy_mean"] == pytest.approx(0.95)


def test_the_page_shows_who_imported_which_file(made, report):
    details = details_of(made, report)
    html = render_page(make_page(report, details), ReviewTexts())
    assert_names(html, NAME, "predictions.csv")

    origin = provenance(report.results, details)
    settings = {name: dict(table.rows) for name, table in origin["settings"]}
    assert settings[NAME] == {"file": "predictions.csv", "sha256": "0" * 64, "imported by": "ada"}
    assert [line[2] for line in origin["runs"].rows if line[0] == NAME] == ["imported"]


def test_a_system_of_another_test_part_stays_out_and_a_changed_one_is_refused(made):
    results = made.results()
    run, read = external_run(results, 30)
    elsewhere = replace(run, tags={**run.tags, tags.TEST_PART: "another"})
    assert with_external(results, [elsewhere], read) is results

    changed = replace(run, metrics={**run.metrics, "test/accuracy": 0.5})
    with pytest.raises(ResultsError, match="import FILE --name gpt-x --fresh"):
        with_external(results, [changed], read)


def test_the_plan_keeps_its_fingerprint_and_its_seeds(report, made):
    own = made.results().plan

    assert report.results.plan.fingerprint == own.fingerprint
    assert report.results.plan.spell_seeds() == own.spell_seeds()
