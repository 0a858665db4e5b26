"""A run's model scored on challenge sets: what it predicts, what is skipped, what is scored anew."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.experiment import challenges as module
from benchmark.experiment.challenges import Challenge, challenges_of, score_run
from benchmark.inference.classifier import SentimentClassifier
from benchmark.tracking.client import TrackingError
from benchmark.training.progress import Progress
from data_pipeline.sources import Place
from tests.helpers.challenge import made_set
from tests.helpers.trained import record

CPU = torch.device("cpu")


@pytest.fixture
def trained(trained_as):
    return trained_as("rnn")


@pytest.fixture
def run_id(store, trained) -> str:
    return record(store, trained)


@pytest.fixture
def challenge(trained) -> Challenge:
    """40 of the reviews that it was tested on, the first and the second half of each pair."""
    reviews = trained.corpus.test[:40]
    groups = [str(row // 2) for row in range(40)]
    made = made_set(pairs=[(review.text, review.label) for review in reviews], groups=tuple(groups), original=())
    return Challenge(made, (True, *[False] * 39))


def score(store, run_id, *challenges: Challenge) -> dict[str, float]:
    return score_run(store, store.run(run_id), challenges, CPU, Progress(sys.stderr))


class TestScoring:
    def test_it_is_recorded_what_the_logged_model_says_of_each_review(self, store, trained, run_id, challenge):
        found = score(store, run_id, challenge)
        record, texts = store.run(run_id), [review.text for review in challenge.set.reviews]
        table = pd.read_parquet(Path(record.artifacts.removeprefix("file://"), "challenges", "made.parquet"))
        logits = table[["logit_negative", "logit_positive"]].to_numpy()
        right = logits.argmax(axis=1) == table["label"]

        assert np.array_equal(logits, SentimentClassifier(trained.bundle, CPU).logits(texts))
        assert table["in_train"].tolist() == list(challenge.in_train)
        assert found == {"made": right.mean()}
        assert record.metrics["challenge/made/accuracy"] == right.mean()
        assert record.metrics["challenge/made/consistency"] == (right[::2].to_numpy() & right[1::2].to_numpy()).mean()

    def test_the_figures_of_the_test_part_and_the_state_stay_as_they_were(self, store, run_id, challenge):
        before = store.run(run_id)
        score(store, run_id, challenge)
        after = store.run(run_id)

        assert after.status is before.status
        new = {key for key in after.metrics if key.startswith("challenge")}
        assert {key: value for key, value in after.metrics.items() if key not in new} == before.metrics

    def test_progress_counts_the_reviews_of_each_batch(self, store, run_id, challenge):
        class Watching(Progress):
            counted: ClassVar[list[int]] = []

            def start(self, phase: str, total: int) -> None:
                self.counted.append(-total)

            def advance(self, reviews: int, note: str = "") -> None:
                self.counted.append(reviews)

        score_run(store, store.run(run_id), [challenge], CPU, Watching())

        assert Watching.counted[0] == -40
        assert sum(Watching.counted) == 0

    def test_only_what_is_missing_or_has_changed_is_scored(self, store, run_id, challenge, monkeypatch):
        other = replace(challenge, set=replace(challenge.set, name="other"))
        changed = replace(challenge, set=replace(challenge.set, groups=("one",) * 40))
        assert list(score(store, run_id, challenge)) == ["made"]
        assert list(score(store, run_id, challenge, other)) == ["other"]
        assert list(score(store, run_id, changed, other)) == ["made"]
        monkeypatch.setattr(module, "load_classifier", lambda *_: pytest.fail("no model is needed"))

        assert score(store, run_id, changed, other) == {}
        assert store.run(run_id).metrics["challenge/made/consistency"] in (0.0, 1.0)

    def test_an_interrupted_scoring_goes_on_with_the_set_that_was_not_recorded(
        self, store, run_id, challenge, monkeypatch
    ):
        other = replace(challenge, set=replace(challenge.set, name="other"))

        def killed(tracker, each, *rest):
            if each.name == "other":
                raise KeyboardInterrupt
            write(tracker, each, *rest)

        with monkeypatch.context() as kill:
            write = module.write_challenge
            kill.setattr(module, "write_challenge", killed)
            with pytest.raises(KeyboardInterrupt):
                score(store, run_id, challenge, other)

        assert list(score(store, run_id, challenge, other)) == ["other"]
        figures = [store.run(run_id).metrics[f"challenge/{name}/log_loss"] for name in ("made", "other")]
        assert math.isclose(*figures)

    def test_a_run_without_a_model_is_refused(self, store, trained, challenge):
        tracker = store.start_run("quick", "imported seed 1", {})

        with pytest.raises(TrackingError):
            score(store, tracker.run_id, challenge)


def test_texts_of_train_and_val_are_marked_but_for_sets_made_of_the_test_part(trained, monkeypatch):
    corpus = trained.corpus
    reviews = [corpus.train[0], corpus.val[0], corpus.test[0]]
    made = made_set(pairs=[(review.text.upper(), review.label) for review in reviews], groups=(), original=())
    sets = (made, replace(made, name="changed", of_test=True))
    monkeypatch.setattr(module, "load_challenges", lambda configs, place, test: sets if test == corpus.test else ())
    found = challenges_of({}, Place(), corpus)

    assert [each.in_train for each in found] == [(True, True, False), (False, False, False)]
