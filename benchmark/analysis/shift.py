"""How accuracy changes from the test part to other reviews, and how often a group's reviews are all labelled rightly.

S seeds, M reviews, `correct` of shape (S, M): whether the network of seed s is right about review i.
"""

from __future__ import annotations

import math

import numpy as np

from benchmark.analysis.intervals import ConfidenceInterval


def groups_right(correct: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return (S, G) bool: whether a network labels every review of a group rightly, by (M,) names of groups.

    The mean of a row is the consistency of Gardner et al. 2020, "Evaluating models' local decision boundaries via
    contrast sets", Findings of EMNLP.
    """
    names, codes = np.unique(groups.astype(str), return_inverse=True)
    wrong = np.stack([np.bincount(codes, ~each, len(names)) for each in correct])
    return np.asarray(wrong == 0)


def difference_interval(
    first: float, first_interval: ConfidenceInterval, second: float, second_interval: ConfidenceInterval
) -> ConfidenceInterval:
    """Return the interval for accuracy `first` - accuracy `second` on other reviews, from the intervals of both.

    "Square and add": Newcombe 1998, "Interval estimation for the difference between independent proportions: comparison
    of eleven methods", Statistics in Medicine 17, method 10 where both intervals are Wilson's; for any two intervals
    Zou & Donner 2008, "Construction of confidence limits about effect measures: a general approach", Statistics in
    Medicine 27. With several seeds both accuracies share the networks: where those that are better on one are better on
    the other, the interval is too wide rather than too narrow.
    """
    difference = first - second
    low = math.hypot(first - first_interval.low, second_interval.high - second)
    high = math.hypot(first_interval.high - first, second - second_interval.low)
    return ConfidenceInterval(max(-1.0, difference - low), min(1.0, difference + high))
