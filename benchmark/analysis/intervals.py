"""Intervals for the accuracy of one network, of a method over its seeds, and for how much two networks differ.

A *network* is the outcome of one training; a *method* is what trains networks, its accuracy their mean over all seeds.
S seeds, N reviews, `correct` of shape (S, N) or (N,): which reviews a network labels rightly. Accuracies are 0 to 1.
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import stats

from benchmark.analysis.variance import crossed_variance, half_width


class ConfidenceInterval(NamedTuple):
    """The two ends of an interval."""

    low: float
    high: float


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> ConfidenceInterval:
    """Return the interval for one network's accuracy, from `correct` of `total` answers.

    Wilson 1927, "Probable inference", JASA 22.
    """
    found = stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return ConfidenceInterval(float(found.low), float(found.high))


def accuracy_interval(correct: np.ndarray, confidence: float = 0.95) -> ConfidenceInterval:
    """Return the interval for a method's mean accuracy over seeds and reviews, or for one network's where S is 1.

    With several seeds the variance of the mean is split into seeds and reviews (`crossed_variance`; that both count in
    a benchmark: Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks", MLSys), and the
    interval is the conservative one of `half_width`. All seeds share the training reviews, so the interval says nothing
    about other training reviews.

    Args:
        correct: (S, N).
        confidence: share of such intervals that hold the true accuracy, at least.
    """
    seeds, reviews = correct.shape
    wilson = wilson_interval(int(correct.sum()), seeds * reviews, confidence)
    if seeds == 1:
        return wilson
    variance = crossed_variance(correct)
    # Seeds may happen to be equally accurate, and both parts come out as 0: S N answers are no better known than that.
    half = max(half_width((variance.seeds, variance.reviews), 1 - confidence), (wilson.high - wilson.low) / 2)
    accuracy = float(correct.mean())
    return ConfidenceInterval(max(0.0, accuracy - half), min(1.0, accuracy + half))


def networks_difference_interval(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> ConfidenceInterval:
    """Return the interval for mean accuracy of `first` - mean accuracy of `second`, (S, N) and (T, N), as they are.

    From the lowest to the highest end of the intervals of each two networks. It holds the difference of the means at
    least as often as it says: where it lies above the mean, the interval of the two that truly differ least misses too.
    """
    every = [network_difference_interval(one, other, confidence) for one, other in product(first, second)]
    return ConfidenceInterval(min(each.low for each in every), max(each.high for each in every))


def network_difference_interval(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> ConfidenceInterval:
    """Return the interval for accuracy of `first` - accuracy of `second`, (N,) answers of two networks.

    Bonett & Price 2012, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data", J. Educational and Behavioral Statistics 37: one review is added to each kind of disagreement.
    """
    total = len(first) + 2
    only_first = (np.count_nonzero(first & ~second) + 1) / total
    only_second = (np.count_nonzero(second & ~first) + 1) / total
    middle = only_first - only_second
    half = stats.norm.isf((1 - confidence) / 2) * math.sqrt((only_first + only_second - middle**2) / total)
    return ConfidenceInterval(float(max(-1.0, middle - half)), float(min(1.0, middle + half)))
