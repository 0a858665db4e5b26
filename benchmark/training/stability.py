"""Training that came apart: what a network had learned in one epoch is lost in a later one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmark.training.epoch import EpochRecord

# Nats. Of 72 networks on random labels with dropout 0.5 the one that wavered most rose by 0.05; a network that had
# hardly begun to learn (0.67) and is back at chance (0.70) rises by less, and is to be found.
RISE = 0.02


def chance_loss(labels: np.ndarray) -> float:
    """Return the cross-entropy in nats of always answering with the classes' shares: ln 2 for two of equal size.

    With classes of unequal size that is less than ln 2, and a higher loss is already worse than reading nothing.
    """
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


def unstable_epochs(epochs: Sequence[EpochRecord], chance: float) -> tuple[int, ...]:
    """Return the epochs whose train loss shows that training came apart.

    Such a loss is above the first epoch's, or above `chance` after an earlier epoch was below; and it is more than RISE
    above the lowest before it, for a network that learns nothing, or has learned all, wavers.
    """
    found: list[int] = []
    lowest = math.inf
    for record in epochs:
        first = epochs[0].train_loss
        limit = min(first, chance) if lowest < chance else first
        if record.train_loss > max(limit, lowest + RISE):
            found.append(record.epoch)
        lowest = min(lowest, record.train_loss)
    return tuple(found)
