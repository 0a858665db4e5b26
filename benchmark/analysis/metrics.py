"""What the predictions of one network are worth. N reviews, C classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def probabilities(logits: np.ndarray) -> np.ndarray:
    """(N, C) softmax of (N, C) logits, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def classification_metrics(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Scores of binary predictions, as scikit-learn computes them.

    Args:
        labels: (N,) 0 or 1.
        logits: (N, 2).

    Returns:
        accuracy, f1 (of the positive class) and roc_auc, all 0 to 1; log_loss in nats.
    """
    from sklearn import metrics

    positive = probabilities(logits)[:, 1]
    predicted = logits.argmax(axis=1)
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "f1": float(metrics.f1_score(labels, predicted)),
        "roc_auc": float(metrics.roc_auc_score(labels, positive)),
        "log_loss": float(metrics.log_loss(labels, positive, labels=[0, 1])),
    }


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """Predictions by how sure the network was, in equally wide bins from 0 to 1 that hold their upper edge.

    Attributes:
        count: (bins,) predictions in the bin.
        confidence: (bins,) mean probability of the predicted class; NaN where the bin is empty.
        accuracy: (bins,) share of them that is right; NaN where the bin is empty.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability_bins(labels: np.ndarray, logits: np.ndarray, bins: int = 15) -> ReliabilityBins:
    """The bins of a reliability diagram (Guo et al. 2017, "On calibration of modern neural networks", ICML).

    Args:
        labels: (N,) 0 to C - 1.
        logits: (N, C).
        bins: how many.
    """
    confidence = probabilities(logits).max(axis=1)
    right = logits.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean
        return ReliabilityBins(
            count,
            confidence=np.bincount(place, confidence, bins) / count,
            accuracy=np.bincount(place, right, bins) / count,
        )


def expected_calibration_error(labels: np.ndarray, logits: np.ndarray, bins: int = 15) -> float:
    """Mean gap between how sure a network is and how often it is right, 0 to 1, each bin weighted by its predictions.

    Naeini, Cooper & Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning", AAAI; with
    the predicted class's probability and 15 bins as in Guo et al. 2017. It depends on the bins.

    Args:
        labels: (N,) 0 to C - 1.
        logits: (N, C).
        bins: how many.
    """
    found = reliability_bins(labels, logits, bins)
    filled = found.count > 0
    gaps = np.abs(found.accuracy - found.confidence)[filled]
    return float(gaps @ found.count[filled] / found.count.sum())
