"""Tests: are two networks, or two methods, equally accurate?

A test of two *networks* asks whether these two would label other reviews equally well. A test of two *methods* asks
whether networks trained with other seeds would. S seeds, N reviews, `correct` of shape (S, N) or (N,): which reviews a
network labels rightly. Accuracies are 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy import optimize, stats

from benchmark.analysis.intervals import ConfidenceInterval
from benchmark.analysis.variance import difference_parts, half_width, p_value


def mcnemar_exact(first: np.ndarray, second: np.ndarray) -> float:
    """Return the two-sided p of the hypothesis that two networks are equally accurate on reviews like these.

    Of the reviews that only one of them labels rightly, each would have half: McNemar 1947, "Note on the sampling
    error of the difference between correlated proportions or percentages", Psychometrika 12; the binomial itself, no
    chi-square.

    Args:
        first: (N,) of one network.
        second: (N,) of the other, about the same reviews.
    """
    only_first, only_second = np.count_nonzero(first & ~second), np.count_nonzero(second & ~first)
    if only_first + only_second == 0:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second).pvalue)


def largest_p(better: np.ndarray, worse: np.ndarray) -> float:
    """Return the p of the hypothesis that not each of these networks is more accurate than each of the others.

    The largest p of `mcnemar_exact` of each two, 1 for two that are not in this order: an intersection-union test
    (Berger 1982, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24), which needs no more
    than one network and no variance over seeds.

    Args:
        better: (S, N) of the networks that are more accurate in the mean.
        worse: (T, N) of the others, about the same reviews.
    """
    return max(mcnemar_exact(*pair) if pair[0].sum() > pair[1].sum() else 1.0 for pair in product(better, worse))


def compare_methods(
    first: np.ndarray, second: np.ndarray, confidence: float = 0.95
) -> tuple[ConfidenceInterval, float]:
    """Return the interval for the difference of two methods' mean accuracies, and the two-sided p that it is 0.

    The variance of the difference is that of the seeds of both and that of the reviews they share, which are paired
    (`difference_parts`). Test and interval are those of `half_width` and agree with each other.

    Seeds are not paired, though their numbers may be equal: in networks of other shapes one number draws other weights
    and another dropout, so these are independent trainings. What two runs of one number do share, such as the order of
    the reviews, makes their accuracies rise and fall together; the true variance is then smaller than assumed here, and
    the test errs less often than it says.

    Args:
        first: (S, N) of one method, S at least 2.
        second: (T, N) of the other, T at least 2, about the same reviews.
        confidence: of the interval, at least.
    """
    difference = float(first.mean() - second.mean())
    parts = difference_parts(first, second)
    half = half_width(parts, 1 - confidence)
    interval = ConfidenceInterval(max(-1.0, difference - half), min(1.0, difference + half))
    return interval, p_value(difference, parts)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p in the order given: the chance that any true hypothesis has one of alpha or less is alpha.

    Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(value) for value in adjusted]


def discordance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the share of reviews that only one of two networks labels rightly, in the mean over pairs of networks.

    Args:
        first: (S, N), or (N,) of one network.
        second: (T, N), or (N,).
    """
    one, other = np.atleast_2d(first).mean(axis=0), np.atleast_2d(second).mean(axis=0)
    return float((one * (1 - other) + other * (1 - one)).mean())


def smallest_detectable_difference(
    reviews: int, discordant: float, *, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Return the difference in accuracy of two networks that `mcnemar_exact` finds with this power.

    From the exact distribution, with the share of discordant reviews as the parameter that must be known (Miettinen
    1968; Connor 1987, "Sample size for testing differences in proportions for the paired-sample design", Biometrics
    43); what it is for: Card et al. 2020, "With little power comes great responsibility", EMNLP.

    Args:
        reviews: N.
        discordant: share of reviews that only one network labels rightly, 0 to 1.
        alpha: level of the test; for a family of m that Holm's method corrects, alpha / m is the strictest step.
        power: probability to find the difference.

    Returns:
        The difference, 0 to `discordant`; None where even a difference of `discordant` would be missed too often.
    """
    if discordant == 0:
        return None
    low, high = stats.binom.ppf([1e-9, 1 - 1e-9], reviews, discordant)
    counts = np.arange(low, high + 1)
    weights = stats.binom.pmf(counts, reviews, discordant)
    # The test rejects where the rarer kind of discordant review occurs `critical` times or less.
    critical = stats.binom.ppf(alpha / 2, counts, 0.5)
    critical -= stats.binom.cdf(critical, counts, 0.5) > alpha / 2

    def missing_power(difference: float) -> float:
        share = (1 + difference / discordant) / 2
        found = stats.binom.cdf(critical, counts, share) + stats.binom.sf(counts - critical - 1, counts, share)
        return float(power - weights @ found)

    return float(optimize.brentq(missing_power, 0.0, discordant)) if missing_power(discordant) <= 0 else None
