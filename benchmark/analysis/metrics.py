"""What the predictions of one network are worth. N reviews, C classes; labels are (N,) 0 to C - 1, logits (N, C)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the (N, C) softmax of (N, C) logits, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def classification_metrics(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Return scores of binary predictions: accuracy, f1, roc_auc, those of `class_scores` (0 to 1), log_loss in nats.

    F1 is of the positive class.
    """
    from sklearn import metrics  # a second that `report` need not pay

    positive = probabilities(logits)[:, 1]
    predicted = logits.argmax(axis=1)
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "f1": float(metrics.f1_score(labels, predicted)),
        "roc_auc": float(metrics.roc_auc_score(labels, positive)),
        "log_loss": float(metrics.log_loss(labels, positive, labels=[0, 1])),
        **class_scores(labels, logits),
    }


def class_scores(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Return balanced_accuracy, the mean over both classes of the share labelled correctly, and f1_negative."""
    predicted = logits.argmax(axis=1)
    right = [np.count_nonzero((labels == label) & (predicted == label)) for label in (0, 1)]
    of_class = np.bincount(labels, minlength=2)
    return {
        "balanced_accuracy": float(np.mean([right[0] / of_class[0], right[1] / of_class[1]])),
        "f1_negative": float(2 * right[0] / (of_class[0] + np.count_nonzero(predicted == 0))),
    }


class ReliabilityBins(NamedTuple):
    """Predictions by confidence, in equally wide bins from 0 to 1 that hold their upper edge; (bins,) each.

    `confidence` is the mean probability of the predicted class, `accuracy` the share that is right; NaN in empty bins.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability_bins(labels: np.ndarray, logits: np.ndarray, bins: int = 15) -> ReliabilityBins:
    """Return the bins of a reliability diagram (Guo et al. 2017, "On calibration of modern neural networks", ICML)."""
    confidence = probabilities(logits).max(axis=1)
    right = logits.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean
        return ReliabilityBins(
            counts,
            confidence=np.bincount(place, confidence, bins) / counts,
            accuracy=np.bincount(place, right, bins) / counts,
        )


def expected_calibration_error(labels: np.ndarray, logits: np.ndarray, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy, 0 to 1, each bin weighted by its predictions.

    Naeini, Cooper & Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning", AAAI; with
    the predicted class's probability and 15 bins as in Guo et al. 2017. The error depends on the bins.
    """
    found = reliability_bins(labels, logits, bins)
    filled = found.counts > 0
    gaps = np.abs(found.accuracy - found.confidence)[filled]
    return float(gaps @ found.counts[filled] / found.counts.sum())
