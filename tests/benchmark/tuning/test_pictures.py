"""A study's pictures, however little the trials differ."""

import warnings

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from benchmark.tuning.pictures import draw_study

# Parts of Optuna that may change are used knowingly; `open_storage` keeps it from saying so.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SPACE = {"rate": FloatDistribution(1e-3, 1.0, log=True), "width": CategoricalDistribution([8, 16])}


def study_of(*trials: tuple[float, float]) -> optuna.Study:
    """One of these rates and values, all of one width."""
    study = optuna.create_study()
    for rate, value in trials:
        study.add_trial(optuna.trial.create_trial(params={"rate": rate, "width": 8}, distributions=SPACE, value=value))
    return study


def drawn(study, folder) -> set[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        draw_study(study, folder)
    return {path.stem for path in folder.iterdir()}


def test_a_setting_that_all_trials_share_is_drawn_without_a_warning(tmp_path):
    study = study_of((0.1, 0.5), (0.2, 0.4), (0.4, 0.6))

    assert drawn(study, tmp_path) == {"history", "importance", "parallel_coordinates", "slice"}


def test_trials_that_all_end_alike_have_no_importance(tmp_path):
    assert "history" in drawn(study_of((0.1, 0.5), (0.2, 0.5)), tmp_path)


def test_one_trial_has_no_picture(tmp_path):
    assert drawn(study_of((0.1, 0.5)), tmp_path) == set()
