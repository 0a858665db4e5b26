"""Training that came apart is noticed; a network that learns nothing, or has learned all, is not called unstable."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.training.epoch import EpochRecord
from benchmark.training.stability import chance_loss, unstable_epochs
from data_pipeline.batch import Batch
from tests.helpers.watched_networks import Linear

CHANCE = math.log(2)


def verdict(*losses: float, chance: float = CHANCE) -> tuple[int, ...]:
    epochs = [EpochRecord(number, loss, 0.5, 0.5, 0.1, 1.0, 1.0) for number, loss in enumerate(losses, start=1)]
    return unstable_epochs(epochs, chance)


@pytest.mark.parametrize(
    ("losses", "unstable"),
    [
        ((0.6746, 1.0651, 0.7873, 0.6936), (2, 3)),  # an RNN in bf16
        ((0.3, 0.5), (2,)),  # above the first, though below chance
        ((0.67, 0.7, 0.695), (2, 3)),  # had hardly begun, and is back at chance
        ((0.9, 0.5, 0.8), (3,)),  # below the first, but above chance after it was below
        ((0.693, 0.55, 0.7), (3,)),  # what was learned is lost, however little the first is exceeded
        ((5.0, 9.0, 2.0), (2,)),  # worse than where it began, never below chance
    ],
)
def test_a_loss_above_the_first_or_above_chance_once_it_was_below_is_unstable(losses, unstable):
    assert verdict(*losses) == unstable


@pytest.mark.parametrize(
    "losses",
    [
        (),
        (3.0,),  # one epoch has nothing to be compared with
        (0.69315, 0.69316, 0.6932),  # learns nothing
        (0.699, 0.695, 0.71, 0.705),  # learns nothing, on few reviews and with much dropout
        (0.01, 0.0101, 0.012),  # at its floor
        (0.6, 0.3, 0.5, 0.4),  # rises, but what the first epoch had is not lost
        (5.0, 2.0, 3.0, 1.0, 1.5),  # has not been below chance yet
    ],
)
def test_a_loss_that_wavers_or_falls_is_stable(losses):
    assert verdict(*losses) == ()


def test_chance_is_what_answering_with_the_shares_of_the_classes_costs():
    shares = np.array([1] * 19 + [0])
    by_hand = float(F.cross_entropy(torch.tensor([[0.05, 0.95]]).log().expand(20, 2), torch.from_numpy(shares)))

    assert chance_loss(np.array([0, 1, 1, 0])) == pytest.approx(CHANCE)
    assert chance_loss(shares) == pytest.approx(by_hand)
    assert chance_loss(np.array([1, 1])) == 0.0
    # Worse than reading nothing, where nothing is said of it by ln 2.
    assert verdict(0.4, 0.15, 0.3, chance=chance_loss(shares)) == (3,)


class FallsApart(Linear):
    """Sure of the wrong label in one epoch of 3 steps."""

    def forward(self, batch: Batch) -> Tensor:
        logits = super().forward(batch)
        wrong = 5.0 * F.one_hot(1 - batch.labels, 2)
        return logits + wrong if self.training and 3 < len(self.trained_on) <= 6 else logits


@pytest.mark.process
def test_the_trainer_notices_and_an_interrupted_training_comes_to_the_same_verdict(fit):
    def interrupt(epoch: EpochRecord) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    whole = fit(FallsApart(), epochs=3)[1]
    with pytest.raises(KeyboardInterrupt):
        fit(FallsApart(), epochs=3, folder="interrupted", on_epoch=interrupt)
    resumed = fit(Linear(), epochs=3, folder="interrupted")[1]

    assert whole.unstable == resumed.unstable == (2,)
    assert [epoch.train_loss for epoch in resumed.epochs] == [epoch.train_loss for epoch in whole.epochs]
    assert fit(Linear(), epochs=3)[1].unstable == ()
