"""What `study` prints, however many trials there are."""

from dataclasses import replace

import pytest

from benchmark.cli.study import study_text
from benchmark.config.search_space import SearchSpace
from benchmark.tuning.outcome import Outcome, Tried, edges
from tests.helpers.facts import assert_names


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
def test_a_value_at_the_edge_of_an_ordered_parameter_is_reported(parameter, value, side):
    found = edges(SearchSpace.model_validate({"key": parameter}), {"key": value})

    assert len(found) == (side is not None)
    for line in found:
        assert_names(line, f"key {value:g}", side)


@pytest.mark.parametrize("trials", [9, 10])
def test_importance_from_few_trials_is_qualified(trials):
    best = tuple(Tried(number, 0.5, {"rate": 0.1}, 1.0, "") for number in range(trials))
    text = study_text(replace(outcome(0), best=best), {"rate": 1.0})

    assert "\n  rate: 100 %" in text
    assert ("9 trials" in text.split("importance")[1]) == (trials == 9)


@pytest.mark.parametrize(("pruned", "shown"), [(2, 2), (11, 10), (135, 10)])
def test_of_the_pruned_trials_the_newest_ten_are_listed(pruned, shown):
    first, *rest = study_text(outcome(pruned), {}).split("\n\n")[-1].splitlines()

    assert (str(pruned) in first) == (pruned > shown)
    assert len(rest) == shown
    for number, line in enumerate(rest, pruned - shown):
        assert_names(line, f"  trial {number} ", "epoch 1", "rate 0.1")
