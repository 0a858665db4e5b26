"""One run from settings to predictions, in this process: what it reads, what it makes once, what it announces."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.experiment import run as runner
from benchmark.training.progress import Progress
from benchmark.training.trainer import Trainer
from data_pipeline.errors import DataError
from data_pipeline.pipeline import Part
from data_pipeline.sources import load_corpus
from tests.helpers.tiny_plan import MODELS, SIZES, of


class Watching(Progress):
    """Counts, phase by phase, the reviews that were announced and those that came."""

    def __init__(self) -> None:
        super().__init__()
        self.phases: list[list[Any]] = []

    def start(self, phase: str, total: int) -> None:
        self.phases.append([phase, total, 0])

    def advance(self, reviews: int, note: str = "") -> None:
        self.phases[-1][2] += reviews


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
        run("bert-frozen", seed=2)

        assert sum(SIZES.values()) <= passes <= sum(SIZES.values()) + 1  # one more tells the features' shape
        assert sum(encoded) <= 2
        assert np.array_equal(first.predictions.logits, second.predictions.logits)
        assert [epoch.train_loss for epoch in first.fit.epochs] == [epoch.train_loss for epoch in second.fit.epochs]

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
            def fit(self, train: Part, val: Part, *rest: Any, **settings: Any) -> Any:
                given.extend([("train", train), ("val", val)])
                return super().fit(train, val, *rest, **settings)

            def predict(self, part: Part, *rest: Any) -> Any:
                given.append(("predict", part))
                return super().predict(part, *rest)

        monkeypatch.setattr(runner, "Trainer", Watched)
        return given

    @pytest.mark.parametrize("name", MODELS)
    def test_each_model_uses_each_part_of_the_one_split_for_its_purpose_and_announces_it(self, run, used, plan, name):
        progress = Watching()
        run(name, progress=progress)
        corpus = load_corpus(of(plan(), name).config.data)
        train, val, test = (tuple(r.id for r in part) for part in (corpus.train, corpus.val, corpus.test))

        assert [len(ids) for ids in (train, val, test)] == list(SIZES.values())
        assert len({*train, *val, *test}) == sum(SIZES.values())
        assert [(purpose, part.ids) for purpose, part in used] == [
            *[("train", train), ("val", val)],
            *[("predict", val), ("predict", val), ("predict", test)],
        ]
        assert progress.phases
        assert all(done == total for _, total, done in progress.phases), progress.phases


def test_reviews_that_have_changed_since_the_plan_was_made_are_not_trained_on(run, monkeypatch):
    changed = lambda *where: replace(load_corpus(*where), fingerprint="f" * 64)  # noqa: E731
    monkeypatch.setattr(runner, "load_corpus", changed)

    with pytest.raises(DataError, match="changed"):
        run("rnn")
