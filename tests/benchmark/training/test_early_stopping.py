import math

import pytest

from benchmark.training.early_stopping import EarlyStopping


def watch(losses: list[float], patience: int | None) -> tuple[EarlyStopping, list[bool], list[bool]]:
    """Whether each epoch was the best so far, and whether it was time to stop after it."""
    stopping = EarlyStopping(patience)
    epochs = [(stopping.update(epoch, loss), stopping.should_stop) for epoch, loss in enumerate(losses, start=1)]
    return stopping, [best for best, _ in epochs], [stop for _, stop in epochs]


def test_the_lowest_loss_is_the_best_epoch_and_of_equal_ones_the_first():
    stopping, best, _ = watch([0.7, 0.5, 0.6, 0.4, 0.9, 0.4], None)

    assert best == [True, True, False, True, False, False]
    assert (stopping.best_epoch, stopping.best_loss) == (4, 0.4)


@pytest.mark.parametrize(
    ("losses", "patience", "stop"),
    [
        ([0.5, 0.6, 0.4, 0.5, 0.41], 2, [False, False, False, False, True]),
        ([0.5, 0.6, 0.49, 0.6, 0.48, 0.6], 2, [False] * 6),  # a lower loss makes patience start anew
        ([0.5, 0.5], 1, [False, True]),
        ([0.1, *[0.2] * 100], None, [False] * 101),
    ],
)
def test_training_stops_after_patience_epochs_without_a_lower_loss(losses, patience, stop):
    stopping, _, found = watch(losses, patience)

    assert found == stop
    assert stopping.epochs_since_best == len(losses) - losses.index(min(losses)) - 1


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_what_is_not_a_number_is_never_the_best(loss):
    assert watch([loss, 0.5, loss], 5)[1] == [False, True, False]
