"""What `study` prints, however many trials there are."""

from dataclasses import replace

import pytest

from benchmark.commands.study import study_text
from benchmark.search_space import SearchSpace
from benchmark.tuning.outcome import Outcome, Tried, edges


def outcome(pruned: int) -> Outcome:
    tried = [Tried(number, None, {"rate": 0.1}, 1.0, "after epoch 1") for number in range(pruned)]
    return Outcome("a study", "quick", "rnn", "val/loss", {"pruned": pruned}, 1.0, (), None, tuple(tried), ())


@pytest.mark.parametrize(
    ("parameter", "value", "side"),
    [
        ({"type": "float", "low": 0.0, "high": 0.5}, 0.005, "lower"),
        ({"type": "float", "low": 0.0, "high": 0.5}, 0.02, None),
        ({"type": "float", "low": 1e-5, "high": 1e-1, "log": True}, 1e-4, None),
        ({"type": "float", "low": 1e-5, "high": 1e-1, "log": True}, 9e-2, "upper"),
        ({"type": "int", "low": 1, "high": 1000}, 2, None),
        ({"type": "int", "low": 1, "high": 1000}, 1000, "upper"),
        ({"type": "categorical", "choices": [256, 64, 128]}, 64, "lower"),
        ({"type": "categorical", "choices": [64, 128, 256]}, 128, None),
        ({"type": "categorical", "choices": [None, 1.0]}, 1.0, None),
        ({"type": "categorical", "choices": [True, False]}, True, None),
        ({"type": "categorical", "choices": ["linear", "cosine"]}, "linear", None),
    ],
)
def test_the_edge_is_told_of_what_has_an_order(parameter, value, side):
    told = edges(SearchSpace.from_json({"key": parameter}), {"key": value})

    assert [line.split(" edge of ")[0] for line in told] == ([f"key {value:g} lies on the {side}"] if side else [])


@pytest.mark.parametrize(("trials", "words"), [(9, "(fANOVA; 9 trials are too few to trust it)"), (10, "(fANOVA)")])
def test_importance_out_of_few_trials_is_not_to_be_trusted(trials, words):
    best = tuple(Tried(number, 0.5, {"rate": 0.1}, 1.0, "") for number in range(trials))
    told = study_text(replace(outcome(0), best=best), {"rate": 1.0})

    assert f"importance of the parameters that all trials have {words}\n  rate: 100 %" in told


def test_a_few_that_were_pruned_are_all_told():
    told = study_text(outcome(2), {}).split("\n\n")[-1]

    assert told.splitlines() == ["pruned", "  trial 0 after epoch 1: rate 0.1", "  trial 1 after epoch 1: rate 0.1"]


@pytest.mark.parametrize("pruned", [11, 135])
def test_of_many_that_were_pruned_the_newest_are_told_and_how_many_they_are(pruned):
    told = study_text(outcome(pruned), {}).split("\n\n")[-1].splitlines()

    assert told[0] == f"pruned: {pruned}, of which the newest are"
    assert len(told) == 11
    assert told[-1].startswith(f"  trial {pruned - 1} after")
