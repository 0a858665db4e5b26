"""How much of an accuracy's variance comes from the seeds and how much from the reviews.

S seeds (at least two), N reviews, `correct` of shape (S, N): whether the network of seed s is right about review i.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats


class VariancePart(NamedTuple):
    """An independent part of the variance of a mean, with the degrees of freedom of its estimate."""

    variance: float
    freedom: float = math.inf  # as good as known


class CrossedVariance(NamedTuple):
    """The variance of a mean accuracy, from a two-way analysis of variance: seeds and reviews random and crossed.

    correct[s, i] = accuracy + seed[s] + review[i] + rest[s, i]; the mean squares have the expectations rest + N seed,
    rest + S review and rest (Searle, Casella & McCulloch 1992, "Variance Components", chapter 4; for readers crossed
    with cases Roe & Metz 1997 and Gallas 2009). What depends on seed and review together is in `rest`.

    Attributes:
        seeds: (seed + rest / N) / S, which is the sample variance of the S accuracies over S: S - 1 degrees of freedom.
        reviews: review / N, a negative estimate set to 0 (Searle et al.); with hundreds of reviews as good as known.
        rest: rest / (S N), the share of `seeds` that does not come from the seeds alone.
    """

    seeds: VariancePart
    reviews: VariancePart
    rest: float


def crossed_variance(correct: np.ndarray) -> CrossedVariance:
    """Return the parts of the variance of the mean of (S, N) answers, S and N at least 2."""
    seeds, reviews = correct.shape
    assert min(seeds, reviews) >= 2, "one says nothing about the others"
    mean = correct.mean()
    between_seeds = reviews * np.square(correct.mean(axis=1) - mean).sum()
    between_reviews = seeds * np.square(correct.mean(axis=0) - mean).sum()
    total = seeds * reviews * mean * (1 - mean)  # of answers that are 0 or 1
    rest = max(0.0, total - between_seeds - between_reviews)  # rounding may leave -1e-13
    rest_square = float(rest / ((seeds - 1) * (reviews - 1)))
    review = max(0.0, float(between_reviews / (reviews - 1)) - rest_square) / seeds
    return CrossedVariance(
        seeds=VariancePart(float(between_seeds / (seeds - 1)) / (seeds * reviews), seeds - 1),
        reviews=VariancePart(review / reviews),
        rest=rest_square / (seeds * reviews),
    )


def difference_parts(first: np.ndarray, second: np.ndarray) -> tuple[VariancePart, ...]:
    """Return the parts of the variance of a difference of two methods' accuracies: seeds, and the reviews they share.

    The seeds of both are one part where S = T: Welch 1938, "The significance of the difference between two means when
    the population variances are unequal", Biometrika 29, which errs little with equal numbers. With two seeds beside
    five it would err too often where the two scatter more: each method's seeds stay a part of their own.

    Args:
        first: (S, N) of one method.
        second: (T, N) of the other, about the same reviews.
    """
    one, other = crossed_variance(first), crossed_variance(second)
    gap = first.mean(axis=0) - second.mean(axis=0)
    # The scatter of the gaps holds the rest of both, which the seeds' parts hold too: it is counted once.
    reviews = VariancePart(max(0.0, float(gap.var(ddof=1)) / len(gap) - one.rest - other.rest))
    if len(first) == len(second):
        return welch(one.seeds, other.seeds), reviews
    return one.seeds, other.seeds, reviews


def welch(one: VariancePart, other: VariancePart) -> VariancePart:
    """Join two parts, with approximate degrees of freedom (Welch 1938, Satterthwaite 1946)."""
    variance = one.variance + other.variance
    if variance == 0:
        return VariancePart(0.0)
    return VariancePart(variance, variance**2 / (one.variance**2 / one.freedom + other.variance**2 / other.freedom))


def half_width(parts: Sequence[VariancePart], alpha: float = 0.05) -> float:
    """Return half of a conservative 1 - alpha interval about a normal estimate whose variance is the sum of the parts.

    sqrt(sum of t² variance), t the quantile at each part's own degrees of freedom. It covers at least as often as it
    says, whatever the true parts are (as far as the freedom of a `welch` part is right): Banerjee 1960, "Approximate
    confidence interval for linear functions of means of k populations when the population variances are not equal",
    Sankhya 22. Satterthwaite's one number of degrees of freedom for seeds and reviews together covers too rarely with
    two or three seeds (docs/statistics.md).
    """
    quantiles = stats.t.isf(alpha / 2, [part.freedom for part in parts])
    return math.sqrt(sum(float(t) ** 2 * part.variance for t, part in zip(quantiles, parts, strict=True)))


def p_value(difference: float, parts: Sequence[VariancePart]) -> float:
    """Return the two-sided p: the alpha at which the interval of `half_width` just reaches 0."""

    def excess(log_alpha: float) -> float:
        return half_width(parts, math.exp(log_alpha)) - abs(difference)

    smallest = math.log(1e-100)
    if excess(smallest) <= 0:  # or nothing varies at all
        return 0.0 if difference else 1.0
    return math.exp(optimize.bisect(excess, smallest, 0.0))
