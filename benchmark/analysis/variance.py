"""How much of an accuracy's variance comes from the seeds and how much from the reviews.

S seeds (at least two), N reviews, `correct` of shape (S, N): whether the network of seed s is right about review i.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Part:
    """An independent part of the variance of a mean, as estimated.

    Attributes:
        variance: of the mean, 0 to 1 squared.
        freedom: degrees of freedom of the estimate, infinite where it is as good as known.
    """

    variance: float
    freedom: float = math.inf


@dataclass(frozen=True, slots=True)
class CrossedVariance:
    """Two-way analysis of variance with seeds and reviews both random and crossed, one answer in each cell.

    correct[s, i] = accuracy + seed[s] + review[i] + rest[s, i]; the squares below have the expectations
    rest + N seed, rest + S review and rest (Searle, Casella & McCulloch 1992, "Variance Components", chapter 4; for
    readers crossed with cases Roe & Metz 1997 and Gallas 2009). What depends on seed and review together is in `rest`.

    Attributes:
        seeds: S.
        reviews: N.
        seed_square: mean square between seeds, S - 1 degrees of freedom.
        review_square: mean square between reviews, N - 1.
        rest_square: mean square of what is left, (S - 1)(N - 1).
    """

    seeds: int
    reviews: int
    seed_square: float
    review_square: float
    rest_square: float

    @property
    def seed_component(self) -> float:
        """Variance of a network's true accuracy between seeds; a negative estimate is set to 0 (Searle et al.)."""
        return max(0.0, self.seed_square - self.rest_square) / self.reviews

    @property
    def review_component(self) -> float:
        """Variance between reviews of the share of networks that are right; a negative estimate is set to 0."""
        return max(0.0, self.review_square - self.rest_square) / self.seeds

    @property
    def seed_part(self) -> Part:
        """What the seeds add to the variance of the mean: (seed + rest / N) / S.

        It is the sample variance of the S accuracies over S, never negative, with S - 1 degrees of freedom.
        """
        return Part(self.seed_square / (self.seeds * self.reviews), self.seeds - 1)

    @property
    def review_part(self) -> Part:
        """What the reviews add to the variance of the mean: review / N; with hundreds of reviews as good as known."""
        return Part(self.review_component / self.reviews)

    @property
    def rest_part(self) -> float:
        """The share of `seed_part` that does not come from the seeds alone: rest / (S N)."""
        return self.rest_square / (self.seeds * self.reviews)


def crossed_variance(correct: np.ndarray) -> CrossedVariance:
    """The mean squares of (S, N) answers, S and N at least 2."""
    seeds, reviews = correct.shape
    assert min(seeds, reviews) >= 2, "one says nothing about the others"
    mean = correct.mean()
    between_seeds = reviews * np.square(correct.mean(axis=1) - mean).sum()
    between_reviews = seeds * np.square(correct.mean(axis=0) - mean).sum()
    total = seeds * reviews * mean * (1 - mean)  # of answers that are 0 or 1
    rest = max(0.0, total - between_seeds - between_reviews)  # rounding may leave -1e-13
    return CrossedVariance(
        seeds,
        reviews,
        seed_square=float(between_seeds / (seeds - 1)),
        review_square=float(between_reviews / (reviews - 1)),
        rest_square=float(rest / ((seeds - 1) * (reviews - 1))),
    )


def difference_parts(first: np.ndarray, second: np.ndarray) -> tuple[Part, ...]:
    """The parts of the variance of a difference of two methods' accuracies: the seeds, and the reviews they share.

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
    shared = float(gap.var(ddof=1)) / len(gap) - one.rest_part - other.rest_part
    reviews = Part(max(0.0, shared))
    seeds = (one.seed_part, other.seed_part)
    return (welch(*seeds), reviews) if one.seeds == other.seeds else (*seeds, reviews)


def welch(one: Part, other: Part) -> Part:
    """Both as one part, with approximate degrees of freedom (Welch 1938, Satterthwaite 1946)."""
    variance = one.variance + other.variance
    if variance == 0:
        return Part(0.0)
    return Part(variance, variance**2 / (one.variance**2 / one.freedom + other.variance**2 / other.freedom))


def half_width(parts: Sequence[Part], alpha: float = 0.05) -> float:
    """Half of a conservative 1 - alpha interval about a normal estimate, its variance the sum of independent parts.

    sqrt(sum of t² variance), t the quantile at each part's own degrees of freedom. It covers at least as often as it
    says, whatever the true parts are (as far as the freedom of a `welch` part is right): Banerjee 1960, "Approximate
    confidence interval for linear functions of means of k populations when the population variances are not equal",
    Sankhya 22. Satterthwaite's one number of degrees of freedom for seeds and reviews together covers too rarely with
    two or three seeds (docs/statistics.md).
    """
    from scipy import stats

    quantiles = stats.t.isf(alpha / 2, [part.freedom for part in parts])
    return math.sqrt(sum(float(t) ** 2 * part.variance for t, part in zip(quantiles, parts, strict=True)))


def p_value(difference: float, parts: Sequence[Part]) -> float:
    """Two-sided: the alpha at which the interval of `half_width` just reaches 0."""
    from scipy import optimize

    def too_wide(log_alpha: float) -> float:
        return half_width(parts, math.exp(log_alpha)) - abs(difference)

    smallest = math.log(1e-100)
    if too_wide(smallest) <= 0:  # or nothing varies at all
        return 0.0 if difference else 1.0
    return math.exp(optimize.bisect(too_wide, smallest, 0.0))
