"""What the predictions of one network are worth. N reviews, C classes."""

from __future__ import annotations

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
