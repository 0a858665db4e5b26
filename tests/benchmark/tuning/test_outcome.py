"""What is read from a study: its text and its pictures, however many trials there are and how they differ."""

import warnings

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from benchmark.config.search_space import SearchSpace
from benchmark.tuning.outcome import Outcome, draw_study, edges, study_text
from tests.helpers.facts import assert_names

# `open_storage` switches this warning off.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SPACE = {"rate": FloatDistribution(1e-3, 1.0, log=True), "width": CategoricalDistribution([8, 16])}


def outcome(*, complete: int = 0, pruned: int = 0) -> Outcome:
    """An outcome of so many trials."""
    settings = {"params": {"rate": 0.1, "width": 8}, "distributions": SPACE}
    best = [create_trial(value=0.5, **settings) for _ in range(complete)]
    ended = [
        create_trial(state=TrialState.PRUNED, user_attrs={"reason": "after epoch 1"}, **settings) for _ in range(pruned)
    ]
    for number, trial in enumerate([*best, *ended]):
        trial.number = number
    return Outcome("a study", "quick", "rnn", "val/loss", {"pruned": pruned}, 1.0, tuple(best), None, tuple(ended), ())


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
    text = study_text(outcome(complete=trials), {"rate": 1.0})

    assert "\n  rate: 100 %" in text
    assert ("9 trials" in text.split("importance")[1]) == (trials == 9)


@pytest.mark.parametrize(("pruned", "shown"), [(2, 2), (11, 10), (135, 10)])
def test_of_the_pruned_trials_the_newest_ten_are_listed(pruned, shown):
    first, *rest = study_text(outcome(pruned=pruned), {}).split("\n\n")[-1].splitlines()

    assert (str(pruned) in first) == (pruned > shown)
    assert len(rest) == shown
    for number, line in enumerate(rest, pruned - shown):
        assert_names(line, f"  trial {number} ", "epoch 1", "rate 0.1")


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([(0.1, 0.5), (0.2, 0.4), (0.4, 0.6)], {"history", "importance", "parallel_coordinates", "slice"}),
        ([(0.1, 0.5), (0.2, 0.5)], {"history", "parallel_coordinates", "slice"}),  # all alike: no importance
        ([(0.1, 0.5)], set()),
    ],
)
def test_pictures_are_drawn_without_a_warning_where_there_are_enough_trials(tmp_path, trials, expected):
    study = optuna.create_study()
    for rate, value in trials:
        study.add_trial(create_trial(params={"rate": rate, "width": 8}, distributions=SPACE, value=value))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        draw_study(study, tmp_path)

    assert {path.stem for path in tmp_path.iterdir()} == expected
