"""The trainer resumes what was interrupted after an epoch; test_resuming.py has it within one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.training.epoch import EpochRecord
from tests.helpers.watched_networks import OVERFITS, Linear, same

INTERRUPTED = {"epochs": 4, "learning_rate": 0.01, "batch_size": 20, "schedule": "cosine", "warmup_fraction": 0.2}


class Killed(BaseException):
    """What ends a process without a word to the trainer."""


class TestResuming:
    """Training that was interrupted after any of its epochs ends as if it had not been."""

    @pytest.fixture
    def killed_after(self, fit) -> Callable[..., None]:
        """`killed_after(2)` trains in the folder `killed` until epoch 2 is on disk, and no further."""

        def train(epochs: int, model: Linear | None = None, settings: dict[str, Any] = INTERRUPTED) -> None:
            def on_epoch(record: EpochRecord) -> None:
                if record.epoch == epochs:
                    raise Killed

            with pytest.raises(Killed):
                fit(model or Linear(dropout=0.5), on_epoch=on_epoch, folder="killed", **settings)

        return train

    @pytest.mark.parametrize("epochs", [1, 3, 4])
    def test_to_the_same_weights_epochs_and_predictions(self, fit, killed_after, weights, parts, epochs):
        whole, whole_fit = fit(Linear(dropout=0.5), **INTERRUPTED)
        killed_after(epochs)
        model = Linear(dropout=0.5)
        nn.init.ones_(model.output.weight)  # whatever it stood at before, the checkpoint's weights count
        torch.manual_seed(99)
        told: list[int] = []
        resumed, resumed_fit = fit(
            model, on_epoch=lambda record: told.append(record.epoch), folder="killed", **INTERRUPTED
        )

        assert without_times(resumed_fit) == without_times(whole_fit)
        assert resumed_fit.best_epoch == whole_fit.best_epoch
        assert same(weights(resumed.model), weights(whole.model))
        assert np.array_equal(resumed.predict(parts["test"]).logits, whole.predict(parts["test"]).logits)
        assert told == [1, 2, 3, 4]  # all epochs are reported again; only those that were not on disk are trained
        assert sum(len(ids) for ids in model.trained_on) == 48 * (4 - epochs)

    def test_patience_counts_the_epochs_before(self, fit, killed_after):
        settings = OVERFITS | {"patience": 2}
        _, whole = fit(Linear(), **settings)
        killed_after(len(whole.epochs) - 1, Linear(), settings)
        _, resumed = fit(Linear(), folder="killed", **settings)

        assert without_times(resumed) == without_times(whole)
        assert (len(resumed.epochs), resumed.best_epoch) == (len(whole.epochs), whole.best_epoch)


def without_times(fitted: Any) -> list[EpochRecord]:
    return [replace(epoch, train_seconds=0.0, val_seconds=0.0) for epoch in fitted.epochs]
