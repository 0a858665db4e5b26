"""What `study` prints, however many trials there are."""

import pytest

from benchmark.commands.study import study_text
from benchmark.tuning.outcome import Outcome, Tried


def outcome(pruned: int) -> Outcome:
    tried = [Tried(number, None, {"rate": 0.1}, 1.0, "after epoch 1") for number in range(pruned)]
    return Outcome("a study", "quick", "rnn", "val/loss", {"pruned": pruned}, 1.0, (), None, tuple(tried), ())


def test_a_few_that_were_pruned_are_all_told():
    told = study_text(outcome(2), {}).split("\n\n")[-1]

    assert told.splitlines() == ["pruned", "  trial 0 after epoch 1: rate 0.1", "  trial 1 after epoch 1: rate 0.1"]


@pytest.mark.parametrize("pruned", [11, 135])
def test_of_many_that_were_pruned_the_newest_are_told_and_how_many_they_are(pruned):
    told = study_text(outcome(pruned), {}).split("\n\n")[-1].splitlines()

    assert told[0] == f"pruned: {pruned}, of which the newest are"
    assert len(told) == 11
    assert told[-1].startswith(f"  trial {pruned - 1} after")
