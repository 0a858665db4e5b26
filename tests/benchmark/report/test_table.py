"""The comparison table, made from records alone: what a row says, and what it must not say."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.analysis.metrics import expected_calibration_error
from benchmark.records import PlanRecord, PlanRow, RunRecord, Status
from benchmark.report.forms import render
from benchmark.report.table import Report, make_report
from tests.helpers.recorded import made_logits, results_of

CORPUS, ENCODER = "IMDB (embedded train split)", "sentence-transformers/all-MiniLM-L6-v2"
ACCURACY, F1, PUBLISHED = "test accuracy, %", "F1, %", "published, %"
FORMS = ("terminal", "markdown", "csv", "latex")
LSTM, BERT = "a" * 16, "b" * 16
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


# A complete row


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
        PUBLISHED: "",
    }


def found_ece(run) -> str:
    labels = np.arange(1000) % 2
    return f"{100 * expected_calibration_error(labels, made_logits(run, labels)):.2f}"


def test_features_tuning_and_memory_have_columns_where_they_were_measured():
    tuned = {"seconds": 3600.0, "complete": 20, "pruned": 10, "study": "s", "trial": 3, "metric": "val/loss"}
    plan = plan_of(replace(row_of(), tuned=tuned))
    found = row(report_of(plan, [run_of(features_seconds=100.0, peak_memory_mib=512.4)]))

    assert found["model"] == "lstm (tuned)"
    assert found["of it features"] == "1 min 40 s"
    assert found["tuning"] == "1 h 00 min, 30 trials"
    assert found["peak memory, MiB"] == "512"


def test_what_was_changed_since_settings_were_found_is_told():
    tuned = {"seconds": 60.0, "complete": 2, "pruned": 0, "study": "s", "trial": 1, "metric": "val/loss"}
    plan = plan_of(replace(row_of(), tuned=tuned | {"changed": ["training.epochs"]}))

    assert any(
        "study s, trial 1; not as they were found: training.epochs)." in note for note in report_of(plan, []).notes
    )


def test_a_baseline_is_called_one():
    assert row(report_of(plan_of(replace(row_of("bow"), baseline=True)), []))["model"] == "bow (baseline)"


def test_several_seeds_are_a_mean_and_their_standard_deviation():
    runs = [run_of(seed, **{"test/accuracy": value, "test/f1": 0.8}) for seed, value in ((1, 0.8), (2, 0.82), (3, 0.9))]

    found = only_row(runs, seeds=(1, 2, 3))

    assert found["seeds"] == "3 of 3"
    assert found[ACCURACY] == "84.00 ± 5.29"  # of the sample: divided by n - 1
    assert found[F1] == "80.00 ± 0.00"


def test_train_time_is_the_mean_over_seeds():
    runs = [run_of(seed, train_seconds=seconds) for seed, seconds in ((1, 60.0), (2, 180.0))]

    assert only_row(runs, seeds=(1, 2))["train time"] == "2 min 00 s"


def test_train_time_has_the_extraction_of_features_in_it():
    assert only_row([run_of(train_seconds=10.0, features_seconds=100.0)])["train time"] == "1 min 50 s"


@pytest.mark.parametrize(
    ("count", "text"), [(842, "842"), (999, "999"), (1000, "1.0 k"), (17_282, "17.3 k"), (109_482_240, "109.5 M")]
)
def test_parameters_are_short(count, text):
    assert only_row([run_of(parameters_total=count)])["parameters"] == text


def test_just_less_than_a_million_parameters_are_a_million():
    assert only_row([run_of(parameters_total=999_980)])["parameters"] == "1.0 M"


def test_rows_stand_in_the_order_of_the_plan():
    plan = plan_of(row_of("zebra"), row_of("ape", BERT))
    runs = [run_of(fingerprint=BERT, name="ape"), run_of(name="zebra")]

    assert list(report_of(plan, runs).quality["model"]) == ["zebra", "ape"]


# A row that is not complete


@pytest.mark.parametrize(
    ("runs", "state"),
    [
        ([], "missing"),
        ([run_of(status=Status.FAILED)], "failed"),
        ([run_of(status=Status.KILLED)], "killed"),
        ([run_of(status=Status.RUNNING)], "running"),
        ([run_of(status=Status.SCHEDULED)], "scheduled"),
    ],
)
def test_a_row_without_a_result_says_why(runs, state):
    found = only_row(runs, published=figure())

    assert found[ACCURACY] == state
    assert found["seeds"] == "0 of 1"
    assert {found.get(cell, "") for cell in (F1, "rank", "parameters", "trained", "train time")} == {""}


def test_a_row_with_some_of_its_seeds_has_no_mean():
    runs = [run_of(1), run_of(2, Status.FAILED), run_of(3, Status.FAILED), run_of(4, Status.KILLED)]

    found = only_row(runs, seeds=(1, 2, 3, 4, 5), published=figure())

    assert found["seeds"] == "1 of 5"
    assert found[ACCURACY] == "incomplete: 2 failed, 1 killed, 1 missing"
    assert found[F1] == ""
    assert found[PUBLISHED] == "85.00"


def test_what_an_unfinished_run_measured_so_far_is_not_shown():
    found = only_row([run_of(status=Status.RUNNING, **METRICS)])

    assert found[ACCURACY] == "running"
    assert found[F1] == ""


def test_an_incomplete_row_leaves_the_others_as_they_are():
    plan = plan_of(row_of(), row_of("bert", BERT))

    report = report_of(plan, [run_of()])

    assert row(report, 0)[ACCURACY] == "86.00"
    assert row(report, 1)[ACCURACY] == "missing"


# Which runs count


def test_runs_of_other_settings_are_not_looked_at():
    other = [run_of(fingerprint="0" * 16, **{"test/accuracy": 0.99}), run_of(seed=2, **{"test/accuracy": 0.99})]

    assert only_row([*other, run_of()])[ACCURACY] == "86.00"
    assert only_row(other)[ACCURACY] == "missing"


def test_a_finished_run_counts_though_a_newer_one_failed():
    newest_first = [run_of(status=Status.FAILED, error="boom"), run_of()]

    report = report_of(plan_of(row_of()), newest_first)

    assert row(report)[ACCURACY] == "86.00"
    assert "boom" not in render(report, "terminal")


def test_of_runs_without_a_result_the_newest_counts():
    newest_first = [run_of(status=Status.KILLED), run_of(status=Status.FAILED)]

    assert only_row(newest_first)[ACCURACY] == "killed"


def test_a_seed_done_twice_counts_once():
    newest_first = [run_of(**{"test/accuracy": 0.8}), run_of(**{"test/accuracy": 0.9})]

    assert only_row(newest_first)[ACCURACY] == "80.00"


# Published figures


def test_a_published_figure_of_the_same_set_up_is_compared():
    assert only_row([run_of()], published=figure(85.0))[PUBLISHED] == "85.00 (ours +1.00)"
    assert only_row([run_of()], published=figure(86.5))[PUBLISHED] == "86.50 (ours -0.50)"


def test_the_mean_over_seeds_is_what_is_compared():
    runs = [run_of(1, **{"test/accuracy": 0.8}), run_of(2, **{"test/accuracy": 0.9})]

    assert only_row(runs, seeds=(1, 2), published=figure(84.0))[PUBLISHED] == "84.00 (ours +1.00)"


@pytest.mark.parametrize(
    ("encoder", "published"),
    [
        (None, figure(corpus="IMDB (official split)")),
        (ENCODER, figure(encoder="google-bert/bert-base-uncased")),
        (ENCODER, figure()),
        (None, figure(encoder=ENCODER)),
    ],
)
def test_a_published_figure_of_another_set_up_is_shown_without_a_difference(encoder, published):
    assert only_row([run_of()], encoder=encoder, published=published)[PUBLISHED] == "85.00 (other set-up)"


def test_a_tuned_row_is_another_set_up():
    tuned = {"seconds": 1.0, "complete": 1, "pruned": 0, "study": "s", "trial": 0, "metric": "val/loss"}
    row = replace(row_of(published=figure()), tuned=tuned)

    assert list(report_of(plan_of(row), [run_of()]).quality[PUBLISHED]) == ["85.00 (other set-up)"]


def test_the_same_encoder_is_the_same_set_up():
    assert only_row([run_of()], encoder=ENCODER, published=figure(encoder=ENCODER))[PUBLISHED] == "85.00 (ours +1.00)"


def test_there_is_no_difference_without_a_result():
    assert only_row([], published=figure())[PUBLISHED] == "85.00"


def test_the_set_up_of_a_published_figure_is_told_where_it_is_another():
    published = figure(corpus="IMDB (official split)", encoder="google-bert/bert-base-uncased")
    plan = plan_of(row_of(published=published), row_of("rnn", BERT, published=published))

    notes = report_of(plan, [run_of()]).notes

    told = "Published, other set-up: a paper, IMDB (official split), google-bert/bert-base-uncased; 3 epochs."
    assert notes.count(told) == 1


def test_nothing_is_told_of_a_set_up_that_is_ours():
    notes = report_of(plan_of(row_of(published=figure())), [run_of()]).notes

    assert not [note for note in notes if note.startswith("Published")]


# Notes


def test_the_first_note_says_what_the_table_was_made_from():
    assert report_of(plan_of(row_of(), seeds=(1, 2)), []).notes[0] == (
        "Profile quick: IMDB (embedded train split), 4,000 train, 1,000 val, 2,000 test, "
        "the same split for every model; seeds 1, 2; the epoch of lowest val/loss, scored on test once."
    )


@pytest.mark.parametrize("held_out", [True, False])
def test_a_test_part_held_out_of_the_training_reviews_is_told(held_out):
    told = "The test part is held out of the corpus's training reviews: these are no official-test figures."

    assert (told in report_of(plan_of(row_of(), held_out=held_out), []).notes) is held_out


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_what_stands_behind_the_plus_minus_is_told_where_there_is_one(seeds):
    notes = report_of(plan_of(row_of(), seeds=seeds), [run_of(seed) for seed in seeds]).notes

    assert any(note.startswith("Mean ± standard deviation over seeds;") for note in notes) is (len(seeds) > 1)
    assert any("this one network" in note for note in notes) is (len(seeds) == 1)


def test_what_a_rank_means_is_told():
    plan = plan_of(row_of(), row_of("bert", BERT))
    notes = report_of(plan, [run_of(), run_of(fingerprint=BERT, name="bert")]).notes

    assert (
        "Rank: rows that share a letter are not separated at 5 % by McNemar's exact test with Holm's correction over "
        "1 pairs; this is about these networks."
    ) in notes


def test_the_encoders_are_named_once():
    plan = plan_of(row_of(), row_of("frozen", BERT, ENCODER), row_of("tuned", "c" * 16, ENCODER))

    assert f"Encoder of the BERT rows: {ENCODER}." in report_of(plan, []).notes
    assert "Encoder" not in render(report_of(plan_of(row_of()), []), "terminal")


def computed_on(hardware: str, precision: str, run: RunRecord) -> RunRecord:
    return replace(run, tags={"hardware": hardware, "precision": precision})


def test_one_machine_is_told_once():
    plan, runs = plan_of(row_of(), row_of("bert", BERT)), [run_of(), run_of(fingerprint=BERT, name="bert")]
    notes = report_of(plan, [computed_on("a Xeon", "fp32", run) for run in runs]).notes

    assert [note for note in notes if "Xeon" in note] == ["Computed on a Xeon in fp32."]


def test_several_machines_are_told_with_what_they_computed():
    plan = plan_of(row_of(), row_of("bert", BERT))
    runs = [
        computed_on("a Xeon", "fp32", run_of()),
        computed_on("an EPYC", "bf16", run_of(fingerprint=BERT, name="bert")),
    ]
    notes = report_of(plan, runs).notes

    assert {
        "Computed on a Xeon in fp32: lstm.",
        "Computed on an EPYC in bf16: bert.",
        "Times of different machines do not compare.",
    } <= set(notes)


def test_why_a_run_failed_stands_in_the_notes():
    runs = [run_of(1), run_of(2, Status.FAILED, error="NonFiniteError: loss is nan"), run_of(3, Status.KILLED)]

    notes = report_of(plan_of(row_of(), seeds=(1, 2, 3)), runs).notes

    assert notes[-1] == "lstm seed 2 failed: NonFiniteError: loss is nan (MLflow run id-lstm-2)"
    assert not [note for note in notes if "lstm seed 3" in note]


def test_the_reason_of_a_run_of_other_settings_is_not_told():
    runs = [run_of(status=Status.FAILED, fingerprint="0" * 16, error="boom")]

    assert "boom" not in render(report_of(plan_of(row_of()), runs), "terminal")


def published_cell(published, trained_on=4000, corpus=CORPUS) -> str:
    plan = plan_of(row_of(published=published | {"corpus": corpus}, trained_on=trained_on))
    return row(report_of(plan, [run_of()]))[PUBLISHED]


def test_a_figure_of_unknown_settings_is_set_beside_ours_and_not_subtracted():
    assert published_cell(figure() | {"setup": None}) == "85.00 (settings unknown)"


def test_the_note_says_whose_settings_stand_there_then():
    plan = plan_of(row_of(published=figure() | {"setup": None}))

    assert (
        f"Published, settings unknown: a paper, {CORPUS}, does not give its settings; lstm has ours here."
        in report_of(plan, [run_of()]).notes
    )


@pytest.mark.parametrize(
    ("trained_on", "cell"),
    [(4000, "85.00 (ours +1.00)"), (3900, "85.00 (ours +1.00)"), (3000, "85.00 (other set-up)")],
)
def test_a_figure_is_subtracted_only_where_about_as_many_reviews_were_trained_on(trained_on, cell):
    assert published_cell(figure() | {"train_size": 4000}, trained_on) == cell
