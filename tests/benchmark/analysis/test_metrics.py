"""Scores and calibration against numbers worked out by hand."""

import math

import numpy as np
import pytest
from sklearn import metrics

from benchmark.analysis.metrics import (
    class_scores,
    classification_metrics,
    expected_calibration_error,
    probabilities,
    reliability_bins,
)


def logits_for(positive: list[float]) -> np.ndarray:
    """(N, 2) logits whose softmax gives these probabilities of the positive class."""
    share = np.array(positive)
    return np.stack([np.log(1 - share), np.log(share)], axis=1)


def test_scores_by_hand():
    labels = np.array([1, 1, 1, 0, 0])
    scores = classification_metrics(labels, logits_for([0.9, 0.6, 0.3, 0.8, 0.1]))
    never_positive = classification_metrics(labels, logits_for([0.1, 0.2, 0.3, 0.4, 0.1]))

    assert {type(value) for value in scores.values()} == {float}
    assert scores == pytest.approx(
        {
            "accuracy": 3 / 5,
            "f1": 2 * 2 / (2 * 2 + 1 + 1),  # of the positive class: two true positives, one false, one missed
            "roc_auc": 4 / 6,  # pairs in the right order: 0.9 beats 0.8 and 0.1; 0.6 and 0.3 beat 0.1 alone
            "log_loss": -sum(map(math.log, [0.9, 0.6, 0.3, 0.2, 0.9])) / 5,
            "balanced_accuracy": (2 / 3 + 1 / 2) / 2,
            "f1_negative": 2 * 1 / (2 * 1 + 1 + 1),
        }
    )
    assert (never_positive["f1"], never_positive["accuracy"]) == (0.0, pytest.approx(2 / 5))
    surely_wrong = classification_metrics(np.array([1, 0]), np.array([[1e6, 0.0], [0.0, 1e6]], dtype=np.float32))
    assert 30 < surely_wrong["log_loss"] < math.inf


@pytest.mark.parametrize("positive", [0.5, 0.95, 0.05])
def test_scores_of_classes_are_scikit_learns(positive):
    chance = np.random.default_rng(0)
    labels = (chance.random(400) < positive).astype(int)
    for logits in (chance.normal(size=(400, 2)), np.tile([0.0, 1.0], (400, 1)), np.tile([1.0, 0.0], (400, 1))):
        predicted = logits.argmax(axis=1)

        assert class_scores(labels, logits) == pytest.approx(
            {
                "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
                "f1_negative": metrics.f1_score(labels, predicted, pos_label=0),
            },
            rel=1e-12,
        )


class TestProbabilities:
    def test_they_are_the_softmax(self):
        found = probabilities(np.array([[0.0, math.log(3)], [5.0, 5.0], [10_000.0, 10_001.0]], dtype=np.float32))

        assert found.dtype == np.float64
        near = 1 / (1 + math.exp(-1))  # a small difference between huge logits counts
        np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5], [1 - near, near]], rtol=1e-7)
        three_classes = np.random.default_rng(0).normal(scale=50, size=(100, 3)).astype(np.float32)
        np.testing.assert_allclose(probabilities(three_classes).sum(axis=1), 1.0, rtol=1e-12)

    @pytest.mark.parametrize("size", [1e3, 1e6, 3e38])
    def test_huge_logits_neither_overflow_nor_warn(self, size):
        with np.errstate(all="raise", under="ignore"):
            found = probabilities(np.array([[size, -size], [-size, size], [size, size]], dtype=np.float32))

        assert found.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]


class TestCalibration:
    # confidence  0.9   0.95  0.6   0.8   in bins (13/15, 14/15], (14/15, 1], (8/15, 9/15], (11/15, 12/15]
    # right       yes   no    yes   yes
    LABELS = np.array([1, 0, 0, 0])
    LOGITS = logits_for([0.9, 0.95, 0.4, 0.2])

    def test_bins_are_those_of_the_predicted_classs_probability_and_the_error_is_the_mean_gap(self):
        found = reliability_bins(self.LABELS, self.LOGITS)

        assert found.counts.tolist() == [0] * 8 + [1, 0, 0, 1, 0, 1, 1]
        filled = found.counts > 0
        np.testing.assert_allclose(found.confidence[filled], [0.6, 0.8, 0.9, 0.95])
        np.testing.assert_allclose(found.accuracy[filled], [1, 1, 1, 0])
        assert np.isnan(found.confidence[~filled]).all()
        assert np.isnan(found.accuracy[~filled]).all()
        error = expected_calibration_error(self.LABELS, self.LOGITS)
        assert error == pytest.approx((0.4 + 0.2 + 0.1 + 0.95) / 4)

    def test_a_network_that_is_as_sure_as_it_is_right_has_an_error_near_0(self):
        chance = np.random.default_rng(0)
        positive = chance.uniform(0.01, 0.99, 100_000)
        labels = (chance.random(100_000) < positive).astype(int)

        assert expected_calibration_error(labels, logits_for(list(positive))) < 0.01
        assert expected_calibration_error(labels, 3 * logits_for(list(positive))) > 0.1

    def test_every_prediction_is_in_one_bin_certainty_in_the_last_and_indecision_of_two_in_the_eighth(self):
        found = reliability_bins(np.array([0, 0]), np.array([[1e6, 0.0], [0.0, 0.0]]))
        logits = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)

        assert np.flatnonzero(found.counts).tolist() == [7, 14]
        assert reliability_bins(np.zeros(1000), logits, bins=7).counts.sum() == 1000
