"""One run from settings to predictions, in this process: what it reads, what it makes once, what it announces."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import runner
from benchmark.progress import NullProgress
from benchmark.training.evaluation import Predictions
from benchmark.training.kept_logits import KeptLogits
from benchmark.training.trainer import Fit, Trainer
from data_pipeline.errors import DataError
from data_pipeline.pipeline import Part
from data_pipeline.sources import load_corpus
from tests.helpers.tiny_plan import MODELS, SIZES, of


@pytest.mark.parametrize("name", MODELS)
def test_another_seed_gives_others(run, name):
    first, second = run(name, seed=1), run(name, seed=2)

    assert not np.array_equal(first.predictions.logits, second.predictions.logits)
    assert np.array_equal(first.predictions.labels, second.predictions.labels)


class TestFrozenFeatures:
    @pytest.fixture
    def encoded(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Filled with the number of reviews of each forward pass of an encoder."""
        from transformers import BertModel

        counts: list[int] = []
        forward = BertModel.forward

        def counting(self: BertModel, input_ids: torch.Tensor, *rest: Any, **settings: Any) -> Any:
            counts.append(len(input_ids))
            return forward(self, input_ids, *rest, **settings)

        monkeypatch.setattr(BertModel, "forward", counting)
        return counts

    def test_the_reviews_go_through_the_encoder_once_and_never_again(self, run, encoded):
        first = run("bert-frozen")
        passes = sum(encoded)
        encoded.clear()
        second = run("bert-frozen")

        assert sum(SIZES.values()) <= passes <= sum(SIZES.values()) + 1  # one more tells the features' shape
        assert sum(encoded) <= 1
        assert np.array_equal(first.predictions.logits, second.predictions.logits)
        assert [epoch.train_loss for epoch in first.fit.epochs] == [epoch.train_loss for epoch in second.fit.epochs]

    def test_another_seed_reads_the_same_features(self, run, encoded):
        run("bert-frozen", seed=1)
        encoded.clear()
        run("bert-frozen", seed=2)

        assert sum(encoded) <= 1

    def test_a_fine_tuned_encoder_is_never_cached(self, run, encoded):
        run("bert-finetuned")
        first = sum(encoded)
        run("bert-finetuned")

        assert first == 2 * (SIZES["train"] + SIZES["val"]) + SIZES["test"]
        assert sum(encoded) == 2 * first


class TestParts:
    @pytest.fixture
    def used(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Part]]:
        """Filled with what the trainer is given, and for what."""
        given: list[tuple[str, Part]] = []

        class Watched(Trainer):
            def fit(self, train: Part, val: Part, *rest: Any, **settings: Any) -> Fit:
                given.extend([("train", train), ("val", val)])
                return super().fit(train, val, *rest, **settings)

            def predict(self, part: Part, kept: KeptLogits | None = None) -> Predictions:
                given.append(("predict", part))
                return super().predict(part, kept)

        monkeypatch.setattr(runner, "Trainer", Watched)
        return given

    @pytest.mark.parametrize("name", ["rnn", "bert-frozen"])
    def test_train_val_and_test_share_no_review(self, run, used, name):
        run(name)
        train, val, test = (set(used[position][1].ids) for position in (0, 1, -1))

        assert [len(train), len(val), len(test)] == list(SIZES.values())
        assert len(train | val | test) == sum(SIZES.values())

    def test_val_is_scored_after_each_epoch_and_test_once_at_the_end(self, run, used, plan):
        run("rnn")
        val, test = used[1][1].ids, load_corpus(of(plan(), "rnn").config.data).test

        assert [purpose for purpose, _ in used] == ["train", "val", "predict", "predict", "predict"]
        assert [part.ids for _, part in used[2:]] == [val, val, tuple(review.id for review in test)]

    def test_all_models_see_the_same_split(self, run, used):
        splits = []
        for name in MODELS:
            used.clear()
            run(name)
            splits.append([used[position][1].ids for position in (0, 1, -1)])

        assert splits == [splits[0]] * len(MODELS)


def test_reviews_that_have_changed_since_the_plan_was_made_are_not_trained_on(run, monkeypatch):
    def changed(*where):
        corpus = load_corpus(*where)
        return replace(corpus, fingerprint="f" * 64)

    monkeypatch.setattr(runner, "load_corpus", changed)

    with pytest.raises(DataError, match="have changed since the plan was made"):
        run("rnn")


class TestProgress:
    class Watching(NullProgress):
        """Counts, phase by phase, the reviews that were announced and those that came."""

        def __init__(self) -> None:
            self.phases: list[list[Any]] = []

        def start(self, phase: str, total: int) -> None:
            self.phases.append([phase, total, 0])

        def advance(self, reviews: int, note: str = "") -> None:
            self.phases[-1][2] += reviews

    @pytest.mark.parametrize("name", ["rnn", "bert-frozen"])
    def test_no_phase_goes_on_beyond_the_reviews_announced(self, run, name):
        progress = self.Watching()
        run(name, progress=progress)

        assert progress.phases
        assert all(done == total for _, total, done in progress.phases), progress.phases
