import math

import pytest

from benchmark.training.early_stopping import EarlyStopping


def watch(losses: list[float], patience: int | None) -> tuple[EarlyStopping, list[bool], list[bool]]:
    """Whether each epoch was the best so far, and whether it was time to stop after it."""
    stopping = EarlyStopping(patience)
    best, stop = [], []
    for epoch, loss in enumerate(losses, start=1):
        best.append(stopping.update(epoch, loss))
        stop.append(stopping.should_stop)
    return stopping, best, stop


def test_the_lowest_loss_is_the_best_epoch():
    stopping, best, _ = watch([0.7, 0.5, 0.6, 0.4, 0.9], None)

    assert best == [True, True, False, True, False]
    assert (stopping.best_epoch, stopping.best_loss) == (4, 0.4)


def test_of_equal_epochs_the_first_is_the_best():
    stopping, best, _ = watch([0.5, 0.5], None)

    assert best == [True, False]
    assert stopping.best_epoch == 1


def test_training_stops_after_patience_epochs_without_a_lower_loss():
    assert watch([0.5, 0.6, 0.4, 0.5, 0.41], 2)[2] == [False, False, False, False, True]


def test_a_lower_loss_makes_patience_start_anew():
    stopping, _, stop = watch([0.5, 0.6, 0.49, 0.6, 0.48, 0.6], 2)

    assert stop == [False] * 6
    assert stopping.epochs_since_best == 1


def test_patience_of_one_stops_at_the_first_epoch_that_is_no_better():
    assert watch([0.5, 0.5], 1)[2] == [False, True]


def test_without_patience_training_never_stops_early():
    assert watch([0.1, *[0.2] * 100], None)[2] == [False] * 101


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_what_is_not_a_number_is_never_the_best(loss):
    assert watch([loss, 0.5, loss], 5)[1] == [False, True, False]
