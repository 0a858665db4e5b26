"""A worker scores the model that it has trained on the run's challenge sets, and resumes there."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import benchmark
from benchmark.experiment import challenges
from benchmark.launch import run_plan, worker
from benchmark.tracking.records import RunRecord, Status
from benchmark.tracking.store import TrackingStore
from benchmark.training.trainer import Trainer
from data_pipeline.errors import DataError
from tests.helpers.facts import assert_names

SETS = {
    "endings": {"source": "perturbation", "change": "last_words"},
    "beginnings": {"source": "perturbation", "change": "first_words"},
}


@pytest.fixture
def run(store: TrackingStore, write_config, monkeypatch) -> Callable[..., RunRecord]:
    """`run()` does the run of `rnn` with these sets in this process, where starting one takes seconds."""

    def work(_: str, request: dict, __: list[int]) -> int:
        return worker._run(json.loads(json.dumps(request)))

    monkeypatch.setattr(run_plan, "run_worker", work)
    monkeypatch.setattr(worker.signal, "signal", lambda *_: None)

    def do(*names: str) -> RunRecord:
        write_config(profiles={"quick": {"experiments": ["rnn"], "challenges": list(names)}}, challenges=SETS)
        benchmark.run("rnn", device="cpu", say=lambda _: None)
        return store.runs("quick")[0]

    return do


def predictions(run: RunRecord, name: str) -> np.ndarray:
    table = pd.read_parquet(Path(run.artifacts.removeprefix("file://"), name))
    return table[["logit_negative", "logit_positive"]].to_numpy()


def test_each_set_of_the_profile_is_scored_before_the_run_is_finished(run, store, monkeypatch):
    seen = []
    write = challenges.write_challenge

    def watched(tracker, each, *rest) -> None:
        seen.append((each.name, store.run(tracker.run_id).status))
        write(tracker, each, *rest)

    monkeypatch.setattr(challenges, "write_challenge", watched)
    record = run("endings", "beginnings")

    assert seen == [("endings", Status.RUNNING), ("beginnings", Status.RUNNING)]
    assert record.status is Status.FINISHED
    for name in SETS:
        logits = predictions(record, f"challenges/{name}.parquet")
        assert len(logits) == len(predictions(record, "predictions.parquet"))
        assert 0 < record.metrics[f"challenge/{name}/accuracy"] <= 1
    assert record.metrics["challenges_seconds"] > 0


def test_which_sets_are_scored_changes_neither_the_run_nor_its_test_figures(run, store):
    scored = run("endings")
    store.supersede(scored.run_id)
    plain = run()

    assert plain.run_id != scored.run_id
    assert plain.fingerprint == scored.fingerprint
    assert np.array_equal(predictions(plain, "predictions.parquet"), predictions(scored, "predictions.parquet"))
    assert not [key for key in plain.metrics if key.startswith("challenge")]


def test_an_interrupted_scoring_is_resumed_without_another_training(run, store, monkeypatch):
    def interrupted(tracker, each, *rest) -> None:
        if each.name == "beginnings":
            raise KeyboardInterrupt
        write(tracker, each, *rest)

    with monkeypatch.context() as kill:
        write = challenges.write_challenge
        kill.setattr(challenges, "write_challenge", interrupted)
        killed = run("endings", "beginnings")
    monkeypatch.setattr(Trainer, "_train_step", lambda *_: pytest.fail("the run is trained already"))
    again = run("endings", "beginnings")

    assert (killed.status, again.status, again.run_id) == (Status.KILLED, Status.FINISHED, killed.run_id)
    assert store.history(again.run_id, "challenge/endings/accuracy").keys() == {0}
    assert "challenge/beginnings/accuracy" in again.metrics


def test_a_set_that_is_gone_fails_the_run_in_one_line(run, monkeypatch):
    def gone(*_: object) -> None:
        raise DataError("shifted.csv: no such file")

    monkeypatch.setattr(challenges, "load_challenges", gone)
    record = run("endings")

    assert record.status is Status.FAILED
    assert_names(record.error, "shifted.csv")
    assert "\n" not in record.error
