"""A plan whose runs are scored on challenge sets: what it holds out, and what stays as it was."""

import csv
from dataclasses import replace

import pytest

from benchmark.config.load import load_suite
from benchmark.config.search_space import SearchSpace
from benchmark.plan.plan import make_plan
from benchmark.plan.recorded import plan_of_recorded_run
from benchmark.plan.status import run_states
from benchmark.tracking.records import RunRecord, Status
from benchmark.tuning.plan import plan_study
from data_pipeline.errors import ReviewsNotHereError
from data_pipeline.load import load_corpus
from tests.helpers.recorded import NOWHERE

EPOCHS = SearchSpace.model_validate({"training.epochs": {"type": "categorical", "choices": [1, 2]}})


@pytest.fixture
def suite_with(write_config, tmp_path):
    """`suite_with("shared")` is scored on a table that has 30 reviews of its train part, "new" is one that has none."""
    entries = {name: {"source": "table", "path": f"{name}.csv"} for name in ("shared", "new")}
    entries |= {"typos": {"source": "perturbation", "change": "typos"}, "published": {"source": "counterfactual"}}
    data = {"train_size": "all", "val_size": 50, "test_size": 60}
    path = write_config(profiles={"quick": {"data": data, "experiments": ["rnn", "bow"]}}, challenges=entries)
    train = load_corpus(load_suite(path).data[0]).train[:30]
    tables = {"shared": [(review.text.upper(), review.label) for review in train], "new": [("no", 0), ("yes", 1)]}
    for name, rows in tables.items():
        with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    return lambda *names: load_suite(path, settings={"challenges": names})


def test_sets_that_hold_nothing_out_change_neither_plan_nor_runs(suite_with):
    plain, *others = (make_plan(suite_with(*names), NOWHERE) for names in ([], ["new"], ["typos", "new"]))

    for plan in others:
        assert plan.record == plain.record
        assert [run.identity for run in plan.runs] == [run.identity for run in plain.runs]
        assert plan.runs != plain.runs  # the worker knows what to score


def test_a_set_that_has_reviews_of_the_source_makes_another_split(suite_with):
    plain, plan = (make_plan(suite_with(*names), NOWHERE) for names in ([], ["shared"]))
    run = plan.runs[0].config
    corpus = load_corpus(run.data, challenges=run.challenges)

    assert plan.record.rows[0].fingerprint != plain.record.rows[0].fingerprint
    assert plan.record.rows[0].split_fingerprint == corpus.split_fingerprint
    assert corpus.test == load_corpus(plain.runs[0].config.data).test
    assert run.data.train_size == plain.runs[0].config.data.train_size - 30
    assert [line.split()[0] for line in plan.record.audit] == ["Reviews,", "30"]


def test_a_search_and_a_reproduction_hold_out_what_the_run_did(suite_with, monkeypatch):
    suite = suite_with("shared")
    run = make_plan(suite, NOWHERE).runs[0]
    study = plan_study(replace(suite, search={"rnn": EPOCHS}), "rnn", NOWHERE, "val/loss")
    original = RunRecord("r", "rnn seed 1", "rnn", 1, run.fingerprint, Status.FINISHED)
    monkeypatch.setattr("benchmark.plan.recorded.recorded_config", lambda *_: run.config)

    assert (study.own.data, study.own.challenges) == (run.config.data, run.config.challenges)
    assert type(study).from_json(study.to_json()) == study
    assert plan_of_recorded_run(None, original, NOWHERE).identity == run.identity


def test_sets_that_would_have_to_be_downloaded_leave_the_runs_unknown(suite_with):
    suite = suite_with("published")

    with pytest.raises(ReviewsNotHereError):
        make_plan(suite, NOWHERE, download=False)
    assert {state.state for state in run_states(suite, NOWHERE, [])} == {"unknown"}
