"""A row some of whose runs came apart in training is marked, and said to be."""

from dataclasses import replace

from benchmark.report.table import Report
from benchmark.tracking.records import RunRecord, Status
from benchmark.tracking.tags import UNSTABLE
from tests.benchmark.report.test_table import ACCURACY, BERT, LSTM, plan_of, report_of, row_of, run_of
from tests.helpers.facts import assert_names

SEEDS = (1, 2, 3)


def came_apart(run: RunRecord) -> RunRecord:
    return replace(run, tags={UNSTABLE: "2"})


def said(report: Report) -> list[str]:
    return [line for line in (*report.findings, *report.notes) if "unstable" in line.lower()]


def test_its_seeds_are_named_in_one_finding_and_the_row_that_is_stable_in_none():
    lstm = [came_apart(run_of(1)), run_of(2), came_apart(run_of(3))]
    bert = [run_of(seed, fingerprint=BERT, name="bert") for seed in SEEDS]
    report = report_of(plan_of(row_of(), row_of("bert", BERT), seeds=SEEDS), [*lstm, *bert])
    finding, note = said(report)

    assert list(report.quality[ACCURACY]) == ["86.00 ± 0.00 (unstable)", "86.00 ± 0.00"]
    assert_names(finding, "lstm", "seeds 1 and 3", "luck")
    assert "bert" not in finding
    assert_names(note, "train/loss", "training.learning_rate", "training.max_grad_norm")
    assert "unstable" not in report.cost.to_string()


def test_what_is_stable_or_from_an_older_version_is_not_marked():
    report = report_of(plan_of(row_of()), [run_of()])

    assert report.quality[ACCURACY][0] == "86.00"
    assert said(report) == []


def test_of_a_row_without_a_figure_the_finding_alone_says_so():
    report = report_of(plan_of(row_of(), seeds=(1, 2)), [came_apart(run_of(1)), run_of(2, Status.FAILED)])
    (finding,) = report.findings

    assert "unstable" not in report.quality.to_string()
    assert_names(finding, "lstm", "seed 1,", "unstable")


def test_of_several_train_sizes_the_one_is_marked():
    sizes = {"4" * 16: 4000, "8" * 16: 8000}
    rows = [row_of(fingerprint=mark, trained_on=size) for mark, size in sizes.items()]
    small, large = (run_of(fingerprint=mark) for mark in sizes)
    report = report_of(plan_of(*rows), [came_apart(small), large])

    assert report.curve.to_dict("records") == [{"model": "lstm", "4,000": "86.00 (unstable)", "8,000": "86.00"}]
    assert_names(said(report)[0], "lstm (trained on 4,000), seed 1,")


def test_the_column_is_sorted_by_its_figures():
    report = report_of(plan_of(row_of(fingerprint=LSTM)), [came_apart(run_of())])
    (column,) = [column for column in report.tables[0].columns if column.title == ACCURACY]

    assert column.order(report.verdict.rows[0]) == "0.86"
