"""Scores against numbers worked out by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics

from benchmark.analysis.metrics import classification_metrics, probabilities


def logits_for(positive: list[float]) -> np.ndarray:
    """(N, 2) logits whose softmax gives these probabilities of the positive class."""
    share = np.array(positive)
    return np.stack([np.log(1 - share), np.log(share)], axis=1)


class TestByHand:
    # truth      1    1    1    0    0
    # prediction 1    1    0    1    0      two true positives, one false, one missed
    LABELS = np.array([1, 1, 1, 0, 0])
    LOGITS = logits_for([0.9, 0.6, 0.3, 0.8, 0.1])

    def test_accuracy(self):
        assert classification_metrics(self.LABELS, self.LOGITS)["accuracy"] == pytest.approx(3 / 5)

    def test_f1_is_of_the_positive_class(self):
        assert classification_metrics(self.LABELS, self.LOGITS)["f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))

    def test_roc_auc_is_the_share_of_pairs_in_the_right_order(self):
        # 0.9 beats 0.8 and 0.1; 0.6 and 0.3 beat 0.1 alone
        assert classification_metrics(self.LABELS, self.LOGITS)["roc_auc"] == pytest.approx(4 / 6)

    def test_log_loss_is_the_mean_cross_entropy_in_nats(self):
        expected = -sum(map(math.log, [0.9, 0.6, 0.3, 0.2, 0.9])) / 5
        assert classification_metrics(self.LABELS, self.LOGITS)["log_loss"] == pytest.approx(expected)

    def test_a_network_that_never_says_positive_has_an_f1_of_0(self):
        scores = classification_metrics(self.LABELS, logits_for([0.1, 0.2, 0.3, 0.4, 0.1]))

        assert scores["f1"] == 0.0
        assert scores["accuracy"] == pytest.approx(2 / 5)


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed):
    chance = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], chance.integers(0, 2, 198)])
    logits = chance.normal(size=(200, 2)).astype(np.float32) * 3
    positive = 1 / (1 + np.exp(logits[:, 0].astype(np.float64) - logits[:, 1]))
    predicted = (logits[:, 1] > logits[:, 0]).astype(int)

    assert classification_metrics(labels, logits) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(labels, predicted),
            "f1": metrics.f1_score(labels, predicted),
            "roc_auc": metrics.roc_auc_score(labels, positive),
            "log_loss": metrics.log_loss(labels, positive),
        }
    )


def test_scores_are_plain_numbers():
    scores = classification_metrics(np.array([0, 1]), np.zeros((2, 2), dtype=np.float32))

    assert {type(value) for value in scores.values()} == {float}


class TestProbabilities:
    def test_they_are_the_softmax(self):
        found = probabilities(np.array([[0.0, math.log(3)], [5.0, 5.0]], dtype=np.float32))

        assert found.dtype == np.float64
        np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-7)

    @pytest.mark.parametrize("size", [1e3, 1e6, 3e38])
    def test_huge_logits_neither_overflow_nor_warn(self, size):
        with np.errstate(all="raise", under="ignore"):
            found = probabilities(np.array([[size, -size], [-size, size], [size, size]], dtype=np.float32))

        assert found.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]

    def test_small_differences_between_huge_logits_are_kept(self):
        found = probabilities(np.array([[10_000.0, 10_001.0]], dtype=np.float32))

        assert found[0, 1] == pytest.approx(1 / (1 + math.exp(-1)))

    def test_they_add_up_to_one(self):
        logits = np.random.default_rng(0).normal(scale=50, size=(100, 3)).astype(np.float32)

        np.testing.assert_allclose(probabilities(logits).sum(axis=1), 1.0, rtol=1e-12)


def test_a_confident_mistake_has_a_large_finite_log_loss():
    logits = np.array([[1e6, 0.0], [0.0, 1e6]], dtype=np.float32)
    scores = classification_metrics(np.array([1, 0]), logits)

    assert 30 < scores["log_loss"] < math.inf
    assert (scores["accuracy"], scores["roc_auc"]) == (0.0, 0.0)
