"""The comparison table, made from records alone: what a row says, and what it must not say."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.analysis.metrics import expected_calibration_error
from benchmark.output import spell_count
from benchmark.report.forms import render
from benchmark.report.table import Report, make_report
from benchmark.tracking.records import PlanRecord, PlanRow, RunRecord, Status
from tests.helpers.facts import assert_names
from tests.helpers.recorded import SPEED, made_logits, results_of

CORPUS, ENCODER = "IMDB (embedded train split)", "sentence-transformers/all-MiniLM-L6-v2"
ACCURACY, F1, PUBLISHED = "test accuracy, %", "F1, %", "published, %"
LSTM, BERT = "a" * 16, "b" * 16
TUNED = {"seconds": 3600.0, "complete": 20, "pruned": 10, "study": "s", "trial": 3, "metric": "val/loss"}
METRICS = {
    "test/accuracy": 0.86,
    "test/f1": 0.87,
    "test/roc_auc": 0.93,
    "test/log_loss": 0.3215,
    "parameters_total": 22_600_000,
    "parameters_trainable": 12_345,
    "train_seconds": 200.0,
}


def figure(accuracy=85.0, corpus=CORPUS, encoder=None):
    return {
        "experiment": "lstm",
        "test_accuracy": accuracy,
        "corpus": corpus,
        "encoder": encoder,
        "source": "a paper",
        "setup": "3 epochs",
        "train_size": None,
    }


def plan_of(*rows, seeds=(1,), held_out=True) -> PlanRecord:
    return PlanRecord("quick", seeds, rows, CORPUS, held_out, 1000, 2000)


def row_of(name="lstm", fingerprint=LSTM, encoder=None, published=None, trained_on=4000) -> PlanRow:
    return PlanRow(name, fingerprint, encoder, published, trained_on, "5" * 64)


def run_of(seed=1, status=Status.FINISHED, fingerprint=LSTM, name="lstm", error="", **metrics) -> RunRecord:
    metrics = METRICS | metrics if status is Status.FINISHED else metrics
    return RunRecord(f"id-{name}-{seed}", f"{name} seed {seed}", name, seed, fingerprint, status, metrics, error)


def report_of(plan, runs, speeds=None) -> Report:
    return make_report(results_of(plan, runs, speeds))


def row(report: Report, number=0) -> dict[str, str]:
    return report.quality.to_dict("records")[number] | report.cost.to_dict("records")[number]


def only_row(runs, *, seeds=(1,), **settings) -> dict[str, str]:
    return row(report_of(plan_of(row_of(**settings), seeds=seeds), runs))


def test_a_complete_row_has_every_figure():
    assert only_row([run_of()]) == {
        "model": "lstm",
        "rank": "",
        "seeds": "1 of 1",
        ACCURACY: "86.00",
        "95 % interval": "83.71 to 88.01",  # Wilson's, of 860 in 1,000
        F1: "87.00",
        "ROC-AUC, %": "93.00",
        "log loss": "0.322",
        "ECE, %": found_ece(run_of()),
        "parameters": "22.6 M",
        "trained": "12.3 k",
        "train time": "3 min 20 s",
    }


def found_ece(run) -> str:
    labels = np.arange(1000) % 2
    return f"{100 * expected_calibration_error(labels, made_logits(run, labels)):.2f}"


def test_features_tuning_and_memory_have_columns_where_they_were_measured():
    plan = plan_of(replace(row_of(published=figure()), tuned=TUNED | {"changed": ["training.epochs"]}))
    report = report_of(plan, [run_of(features_seconds=100.0, peak_memory_mib=512.4)])
    found = row(report)

    assert found["model"] == "lstm (tuned)"
    assert found["of which features"] == "1 min 40 s"
    assert found["tuning"] == "1 h 00 min, 30 trials"
    assert found["peak memory, MiB"] == "512"
    assert found[PUBLISHED] == "85.00 (other set-up)"
    (note,) = [note for note in report.notes if "study s" in note]
    assert_names(note, "trial 3", "training.epochs")


def test_several_seeds_are_a_mean_and_their_standard_deviation():
    runs = [run_of(seed, **{"test/accuracy": value, "test/f1": 0.8}) for seed, value in ((1, 0.8), (2, 0.82), (3, 0.9))]

    found = only_row(runs, seeds=(1, 2, 3))

    assert found["seeds"] == "3 of 3"
    assert found[ACCURACY] == "84.00 ± 5.29"  # of the sample: divided by n - 1
    assert found[F1] == "80.00 ± 0.00"


def test_train_time_is_the_mean_over_seeds_with_the_extraction_of_features_in_it():
    runs = [run_of(seed, train_seconds=seconds) for seed, seconds in ((1, 60.0), (2, 180.0))]

    assert only_row(runs, seeds=(1, 2))["train time"] == "2 min 00 s"
    assert only_row([run_of(train_seconds=10.0, features_seconds=100.0)])["train time"] == "1 min 50 s"


def test_parameters_are_short():
    short = {842: "842", 999: "999", 1000: "1.0 k", 17_282: "17.3 k", 999_980: "1.0 M", 109_482_240: "109.5 M"}

    assert {count: spell_count(count) for count in short} == short


def test_rows_stand_in_the_order_of_the_plan_and_a_baseline_is_called_one():
    plan = plan_of(row_of("zebra"), row_of("ape", BERT), replace(row_of("bow"), baseline=True))
    runs = [run_of(fingerprint=BERT, name="ape"), run_of(name="zebra")]

    assert list(report_of(plan, runs).quality["model"]) == ["zebra", "ape", "bow (baseline)"]


@pytest.mark.parametrize(
    ("runs", "state"),
    [
        ([], "missing"),
        ([run_of(status=Status.FAILED)], "failed"),
        ([run_of(status=Status.KILLED), run_of(status=Status.FAILED)], "killed"),  # the newest counts
        ([run_of(status=Status.RUNNING, **METRICS)], "running"),  # whatever it measured so far
        ([run_of(status=Status.SCHEDULED)], "scheduled"),
        ([run_of(fingerprint="0" * 16), run_of(seed=2)], "missing"),  # of other settings, of another seed
    ],
)
def test_a_row_without_a_result_says_why(runs, state):
    found = only_row(runs, published=figure())

    assert found[ACCURACY] == state
    assert (found["seeds"], found[PUBLISHED]) == ("0 of 1", "85.00")
    assert {found.get(cell, "") for cell in (F1, "rank", "parameters", "trained", "train time")} == {""}


def test_a_row_with_some_of_its_seeds_has_no_mean():
    runs = [run_of(1), run_of(2, Status.FAILED), run_of(3, Status.FAILED), run_of(4, Status.KILLED)]

    found = only_row(runs, seeds=(1, 2, 3, 4, 5), published=figure())

    assert found["seeds"] == "1 of 5"
    assert_names(found[ACCURACY], "2 failed", "1 killed", "1 missing")
    assert found[F1] == ""
    assert found[PUBLISHED] == "85.00"


def test_rows_that_were_never_begun_are_one_line_below_the_tables():
    plan = plan_of(row_of(), row_of("rnn", "r" * 16), row_of("bert", BERT, published=figure()))
    report = report_of(plan, [run_of(), run_of(fingerprint=BERT, name="bert", status=Status.FAILED)])

    assert [list(table.frame["model"]) for table in report.tables] == [["lstm", "bert"]] * 2
    [line] = [finding for finding in report.findings if "rnn" in finding]
    assert_names(line, "Not run")


def test_what_throughput_measured_is_shown_of_rows_that_were_never_begun_too():
    plan = plan_of(row_of(), row_of("rnn", "r" * 16), row_of("bert", BERT))
    report = report_of(plan, [run_of()], {BERT: SPEED})

    assert [list(table.frame["model"]) for table in report.tables] == [["lstm"], ["lstm", "bert"]]


def test_of_several_train_sizes_those_are_named_that_were_never_begun():
    sizes = {"4": 4000, "8": 8000}
    rows = [row_of(n, n + s, trained_on=size) for n in ("lstm", "rnn") for s, size in sizes.items()]
    report = report_of(plan_of(*rows), [run_of(fingerprint="lstm4")])

    assert [len(table.rows) for table in report.tables] == [1, 1, 1]
    [line] = report.findings
    assert_names(line, "lstm (trained on 8,000)", "rnn")
    assert "rnn (" not in line


def test_only_the_newest_finished_run_of_these_settings_counts():
    other = [run_of(fingerprint="0" * 16, **{"test/accuracy": 0.99}), run_of(seed=2, **{"test/accuracy": 0.99})]
    failed = [
        run_of(status=Status.FAILED, error="boom"),
        run_of(status=Status.FAILED, fingerprint="0" * 16, error="bang"),
    ]
    older = run_of(**{"test/accuracy": 0.9})

    report = report_of(plan_of(row_of()), [*failed, *other, run_of(), older])

    assert row(report)[ACCURACY] == "86.00"
    assert not [error for error in ("boom", "bang") if error in render(report, "terminal")]


def published_cell(published, trained_on=4000, encoder=None) -> str:
    plan = plan_of(row_of(published=published, trained_on=trained_on, encoder=encoder))
    return row(report_of(plan, [run_of()]))[PUBLISHED]


@pytest.mark.parametrize(
    ("published", "trained_on", "encoder", "cell"),
    [
        (figure(86.5), 4000, None, "86.50 (ours -0.50)"),
        (figure(encoder=ENCODER), 4000, ENCODER, "85.00 (ours +1.00)"),
        (figure(corpus="IMDB (official split)"), 4000, None, "85.00 (other set-up)"),
        (figure(encoder="google-bert/bert-base-uncased"), 4000, ENCODER, "85.00 (other set-up)"),
        (figure(), 4000, ENCODER, "85.00 (other set-up)"),
        (figure(encoder=ENCODER), 4000, None, "85.00 (other set-up)"),
        (figure() | {"train_size": 4000}, 3900, None, "85.00 (ours +1.00)"),
        (figure() | {"train_size": 4000}, 3000, None, "85.00 (other set-up)"),
        (figure() | {"setup": None}, 4000, None, "85.00 (settings unknown)"),
    ],
)
def test_a_published_figure_is_subtracted_only_where_the_set_up_is_the_same(published, trained_on, encoder, cell):
    assert published_cell(published, trained_on, encoder) == cell


def test_a_published_figure_is_compared_with_the_mean_over_seeds():
    runs = [run_of(1, **{"test/accuracy": 0.8}), run_of(2, **{"test/accuracy": 0.9})]

    assert only_row(runs, seeds=(1, 2), published=figure(84.0))[PUBLISHED] == "84.00 (ours +1.00)"


def test_the_set_up_of_a_published_figure_is_noted_once_where_it_is_another():
    published = figure(corpus="IMDB (official split)", encoder="google-bert/bert-base-uncased")
    plan = plan_of(row_of(published=published), row_of("rnn", BERT, published=published))

    (note,) = [note for note in report_of(plan, [run_of()]).notes if "a paper" in note]
    assert_names(note, "other set-up", "IMDB (official split)", "google-bert/bert-base-uncased", "3 epochs")
    ours = report_of(plan_of(row_of(published=figure())), [run_of()])
    assert not [note for note in ours.notes if "a paper" in note]
    report = report_of(plan_of(row_of(published=figure() | {"setup": None})), [run_of()])
    (note,) = [note for note in report.notes if "a paper" in note]
    assert_names(note, "settings unknown", CORPUS, "lstm")


def test_balanced_accuracy_has_a_column_and_a_note_where_the_classes_differ_in_size():
    results = results_of(plan_of(row_of()), [run_of()])
    labels = (np.arange(1000) % 20 > 0).astype(int)
    unequal = make_report(replace(results, labels=labels, logits={"id-lstm-1": np.tile([0.0, 1.0], (1000, 1))}))

    assert row(unequal)["balanced, %"] == "50.00"
    (majority,) = [note for note in unequal.notes if note.startswith("Always answering")]
    assert_names(majority, "positive", "95.00 %", "50 %")
    assert [note for note in unequal.notes if note.startswith("Balanced accuracy")]
    equal = make_report(results)
    assert "balanced, %" not in row(equal)
    assert [note for note in equal.notes if "50.00 % of the test reviews" in note]
