"""The trainer goes on with what was interrupted after an epoch; test_resuming.py has it within one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.records import EpochRecord
from benchmark.reproducibility import seed_everything
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.trainer import Trainer
from models.registry import ModelContext, get_model_spec
from tests.helpers.watched_networks import (
    OVERFITS,
    TINY,
    Linear,
    same,
    trainer,
)

INTERRUPTED = {"epochs": 4, "learning_rate": 0.01, "batch_size": 20, "schedule": "cosine", "warmup_fraction": 0.2}


class Killed(BaseException):
    """What ends a process without a word to the trainer."""


class TestGoingOn:
    """Training that was interrupted after any of its epochs ends as if it had not been."""

    @pytest.fixture
    def killed_after(self, fit) -> Callable[[int], None]:
        """`killed_after(2)` trains in the folder `killed` until epoch 2 is on disk, and no further."""

        def train(epochs: int) -> None:
            def on_epoch(record: EpochRecord) -> None:
                if record.epoch == epochs:
                    raise Killed

            with pytest.raises(Killed):
                fit(Linear(dropout=0.5), on_epoch=on_epoch, folder="killed", **INTERRUPTED)

        return train

    @pytest.mark.parametrize("epochs", [1, 2, 3, 4])
    def test_to_the_same_weights_epochs_and_predictions(self, fit, killed_after, weights, parts, epochs):
        whole, whole_fit = fit(Linear(dropout=0.5), **INTERRUPTED)
        killed_after(epochs)
        model = Linear(dropout=0.5)
        nn.init.ones_(model.output.weight)  # whatever it stood at before, the checkpoint's weights count
        torch.manual_seed(99)
        resumed, resumed_fit = fit(model, folder="killed", **INTERRUPTED)

        assert without_times(resumed_fit) == without_times(whole_fit)
        assert resumed_fit.best_epoch == whole_fit.best_epoch
        assert same(weights(resumed.model), weights(whole.model))
        assert np.array_equal(resumed.predict(parts["test"]).logits, whole.predict(parts["test"]).logits)

    def test_epochs_that_were_trained_are_told_again_and_not_trained_again(self, fit, killed_after):
        killed_after(3)
        told: list[int] = []
        model = Linear(dropout=0.5)
        fit(model, on_epoch=lambda record: told.append(record.epoch), folder="killed", **INTERRUPTED)

        assert told == [1, 2, 3, 4]
        assert sum(len(ids) for ids in model.trained_on) == 48

    def test_patience_counts_the_epochs_before(self, fit):
        settings = OVERFITS | {"patience": 2}
        _, whole = fit(Linear(), **settings)
        last_but_one = len(whole.epochs) - 1

        def on_epoch(record: EpochRecord) -> None:
            if record.epoch == last_but_one:
                raise Killed

        with pytest.raises(Killed):
            fit(Linear(), on_epoch=on_epoch, folder="patient", **settings)
        _, resumed = fit(Linear(), folder="patient", **settings)

        assert without_times(resumed) == without_times(whole)
        assert (len(resumed.epochs), resumed.best_epoch) == (len(whole.epochs), whole.best_epoch)

    @pytest.mark.parametrize("name", ["rnn", "lstm"])
    def test_a_recurrent_network_with_dropout_ends_at_the_same_weights(self, words, tmp_path, weights, name):
        def build() -> Trainer:
            seed_everything(5)
            spec = get_model_spec(name)
            config = spec.config_class(name=name, **TINY, layers=2, bidirectional=True, dropout=0.3)
            model = spec.build(config, ModelContext(words.tokenizer.vocab_size))
            return trainer(model, epochs=3, batch_size=8, learning_rate=0.01)

        def train(folder: str, until: int = 3) -> Trainer:
            made = build()

            def on_epoch(record: EpochRecord) -> None:
                if record.epoch == until < 3:
                    raise Killed

            made.fit(words.parts["train"], words.parts["val"], CheckpointFolder(tmp_path / folder, "r", {}), on_epoch)
            return made

        whole = train("whole")
        with pytest.raises(Killed):
            train("killed", until=1)

        assert same(weights(train("killed").model), weights(whole.model))


def without_times(fitted: Any) -> list[EpochRecord]:
    return [replace(epoch, train_seconds=0.0, val_seconds=0.0) for epoch in fitted.epochs]
