"""Intervals for the accuracy of one network, of a method over its seeds, and for how much two networks differ.

A *network* is the outcome of one training; a *method* is what trains networks, its accuracy their mean over all seeds.
S seeds, N reviews, `correct` of shape (S, N) or (N,): which reviews a network labels rightly. Accuracies are 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from benchmark.analysis.variance import crossed_variance, half_width

About = Literal["network", "method"]


class Interval(NamedTuple):
    """From low to high."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AccuracyInterval:
    """An accuracy and how well it is known.

    Attributes:
        about: "method", or "network" where there is one seed, which says nothing of how another would do.
        accuracy: share of right answers, over all seeds.
        interval: of a method, for its mean accuracy over seeds and reviews like these; of a network, over reviews.
        seeds: S.
        seed_sd: standard deviation of a network's true accuracy between seeds, the reviews' chance taken out; 0 where
            the seeds differ no more than chance makes them. None for one network.
    """

    about: About
    accuracy: float
    interval: Interval
    seeds: int
    seed_sd: float | None


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> Interval:
    """For the accuracy of one network on reviews like these: Wilson 1927, "Probable inference", JASA 22.

    Args:
        correct: number of right answers.
        total: number of answers, at least 1.
        confidence: share of such intervals that hold the true accuracy.
    """
    from scipy import stats

    found = stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high))


def accuracy_interval(correct: np.ndarray, confidence: float = 0.95) -> AccuracyInterval:
    """For the mean accuracy of a method over seeds and reviews; for one network's where S is 1.

    With several seeds the variance of the mean is taken apart into seeds and reviews (CrossedVariance; that both
    count in a benchmark: Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks", MLSys),
    and the interval is the conservative one of `half_width`, t with S - 1 degrees of freedom for the seeds' part.
    The train reviews are the same for all seeds: what other train reviews would change is not in it.

    Args:
        correct: (S, N).
        confidence: share of such intervals that hold the true accuracy, at least.
    """
    seeds, reviews = correct.shape
    accuracy = float(correct.mean())
    if seeds == 1:
        interval = wilson_interval(int(correct.sum()), reviews, confidence)
        return AccuracyInterval("network", accuracy, interval, seeds, None)
    variance = crossed_variance(correct)
    half = half_width((variance.seed_part, variance.review_part), 1 - confidence)
    # Seeds may happen to be equally accurate, and both parts come out as 0: S N answers are no better known than that.
    low, high = wilson_interval(int(correct.sum()), seeds * reviews, confidence)
    half = max(half, (high - low) / 2)
    interval = Interval(max(0.0, accuracy - half), min(1.0, accuracy + half))
    return AccuracyInterval("method", accuracy, interval, seeds, math.sqrt(variance.seed_component))


def network_difference_interval(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Interval:
    """For accuracy of `first` - accuracy of `second`, two networks and the same reviews.

    Bonett & Price 2012, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data", J. Educational and Behavioral Statistics 37: one review is added to each kind of disagreement.

    Args:
        first: (N,) of one network.
        second: (N,) of the other.
        confidence: share of such intervals that hold the true difference.
    """
    from scipy import stats

    total = len(first) + 2
    only_first = (np.count_nonzero(first & ~second) + 1) / total
    only_second = (np.count_nonzero(second & ~first) + 1) / total
    middle = only_first - only_second
    half = stats.norm.isf((1 - confidence) / 2) * math.sqrt((only_first + only_second - middle**2) / total)
    return Interval(float(max(-1.0, middle - half)), float(min(1.0, middle + half)))
