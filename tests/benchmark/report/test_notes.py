"""The notes below the table: what it was made from, and what its words mean."""

import json
from dataclasses import replace

from benchmark.report.forms import render
from benchmark.tracking.records import PlanRecord, RunRecord, Status
from tests.benchmark.report.test_table import (
    BERT,
    CORPUS,
    ENCODER,
    plan_of,
    report_of,
    row_of,
    run_of,
)
from tests.helpers.facts import assert_names


def test_the_first_note_says_what_the_table_was_made_from():
    note = report_of(plan_of(row_of(), seeds=(1, 2)), []).notes[0]

    assert_names(note, "quick", CORPUS, "4,000 train", "1,000 val", "2,000 test", "seeds 1, 2", "val/loss")


def test_a_test_part_held_out_of_the_training_reviews_is_noted():
    held_out, official = (set(report_of(plan_of(row_of(), held_out=held), []).notes) for held in (True, False))

    assert ["held out" in note for note in held_out - official] == [True]
    assert official < held_out


def test_what_stands_behind_the_plus_minus_is_noted_where_there_is_one():
    for seeds in ((1,), (1, 2)):
        notes = report_of(plan_of(row_of(), seeds=seeds), [run_of(seed) for seed in seeds]).notes

        assert any("±" in note for note in notes) is (len(seeds) > 1)
        assert any("one network" in note for note in notes) is (len(seeds) == 1)


def test_the_rank_and_each_term_of_statistics_are_explained():
    plan = plan_of(row_of(), row_of("bert", BERT))
    notes = report_of(plan, [run_of(), run_of(fingerprint=BERT, name="bert")]).notes

    (note,) = [note for note in notes if note.startswith("Rank")]
    assert_names(note, "5 %", "McNemar", "Holm", "1 pair", "networks")
    for term in ("McNemar's test", "Holm's correction", "Log loss", "ECE", "Pareto front"):
        assert len([note for note in notes if note.startswith(f"{term}: ")]) == 1


def test_the_encoders_are_named_once():
    plan = plan_of(row_of(), row_of("frozen", BERT, ENCODER), row_of("tuned", "c" * 16, ENCODER))

    assert "\n".join(report_of(plan, []).notes).count(ENCODER) == 1
    assert "Encoder" not in render(report_of(plan_of(row_of()), []), "terminal")


def computed_on(hardware: str, precision: str, run: RunRecord) -> RunRecord:
    return replace(run, tags={"hardware": hardware, "precision": precision})


def test_machines_are_noted_with_what_they_computed():
    plan, runs = plan_of(row_of(), row_of("bert", BERT)), [run_of(), run_of(fingerprint=BERT, name="bert")]
    one = report_of(plan, [computed_on("a Xeon", "fp32", run) for run in runs]).notes
    two = report_of(plan, [computed_on("a Xeon", "fp32", runs[0]), computed_on("an EPYC", "bf16", runs[1])]).notes

    (note,) = [note for note in one if "Xeon" in note]
    assert_names(note, "fp32")
    assert "lstm" not in note
    (xeon,), (epyc,) = ([note for note in two if name in note] for name in ("Xeon", "EPYC"))
    assert_names(xeon, "fp32", "lstm")
    assert_names(epyc, "bf16", "bert")
    assert len(two) == len(one) + 2  # and that times of different machines do not compare


def test_why_a_run_failed_stands_in_the_notes():
    runs = [run_of(1), run_of(2, Status.FAILED, error="NonFiniteError: loss is nan"), run_of(3, Status.KILLED)]

    notes = report_of(plan_of(row_of(), seeds=(1, 2, 3)), runs).notes

    assert_names(notes[-1], "lstm seed 2", "failed", "NonFiniteError: loss is nan", "id-lstm-2")
    assert not [note for note in notes if "lstm seed 3" in note]


UNKNOWN = {"unknown_tokens/train": 0.01, "unknown_tokens/val": 0.034, "unknown_tokens/test": 0.25}
UNREADABLE = {"unreadable_reviews/train": 0, "unreadable_reviews/val": 1, "unreadable_reviews/test": 0}


def test_unknown_tokens_are_noted_by_part_and_many_are_warned_about():
    plan = plan_of(row_of(), row_of("bert", BERT))
    few = dict.fromkeys(UNKNOWN, 0.0) | dict.fromkeys(UNREADABLE, 0)
    runs = [run_of(**UNKNOWN, **UNREADABLE), run_of(fingerprint=BERT, name="bert", **few)]
    share, warning, unreadable = [note for note in report_of(plan, runs).notes if "known" in note]

    assert_names(share, "train / val / test", "lstm 1.0 / 3.4 / 25.0 %", "bert 0.0 / 0.0 / 0.0 %")
    assert_names(warning, "lstm", "20 %")
    assert_names(unreadable, "lstm 0 / 1 / 0")
    assert "bert" not in warning + unreadable


def test_records_without_unknown_tokens_have_no_note_of_them():
    assert not [note for note in report_of(plan_of(row_of()), [run_of()]).notes if "known" in note]


def test_the_audit_of_the_plan_is_in_the_notes_and_not_in_its_fingerprint():
    plan = plan_of(row_of())
    audited = replace(plan, audit=("Reviews: train 1 + 3.", "7 reviews are left out."))
    old = {key: value for key, value in plan.to_json().items() if key != "audit"}

    assert set(report_of(audited, []).notes) - set(report_of(plan, []).notes) == set(audited.audit)
    assert audited.fingerprint == plan.fingerprint
    assert PlanRecord.from_json(old) == plan
    assert PlanRecord.from_json(json.loads(json.dumps(audited.to_json()))) == audited
