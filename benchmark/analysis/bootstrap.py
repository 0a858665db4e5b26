"""The paired bootstrap over seeds and reviews, beside the intervals from the analysis of variance.

S seeds, N reviews, `correct` of shape (S, N): whether the network of seed s is right about review i.

Seeds and reviews are drawn with replacement, each by itself, and a drawn seed keeps its answers to all drawn reviews:
Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1. It counts what depends on seed and review
together up to three times, and the seeds' part (S - 1) / S times. Where the seeds differ and are few it is far too
narrow (docs/statistics.md), so nothing is decided by it. With one seed it is about that network.
"""

from __future__ import annotations

import numpy as np

from benchmark.analysis.intervals import Interval


def bootstrap_accuracy(
    correct: np.ndarray, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile interval for the accuracy of a method.

    Args:
        correct: (S, N).
        confidence: between the percentiles that are returned.
        resamples: how many.
        seed: of the random numbers; the same one gives the same interval.
    """
    return _percentiles(_resampled([correct], resamples, seed)[0], confidence)


def bootstrap_difference(
    first: np.ndarray, second: np.ndarray, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile interval for accuracy of `first` - accuracy of `second`; the reviews are paired, the seeds are not.

    Args:
        first: (S, N) of one method.
        second: (T, N) of the other, about the same reviews.
        confidence: between the percentiles that are returned.
        resamples: how many.
        seed: of the random numbers; the same one gives the same interval.
    """
    one, other = _resampled([first, second], resamples, seed)
    return _percentiles(one - other, confidence)


def _resampled(methods: list[np.ndarray], resamples: int, seed: int) -> list[np.ndarray]:
    """(resamples,) accuracies of each method, all about the same drawn reviews.

    Reviews with the same answers from all networks are alike, so it is drawn how often each of the few patterns of
    answers occurs: the same distribution as drawing N reviews, a thousand times quicker.
    """
    chance = np.random.default_rng(seed)
    answers = np.concatenate(methods)
    assert len(answers) < 63, "the answers to a review are the bits of one number"
    _, places, counts = np.unique(2 ** np.arange(len(answers)) @ answers, return_index=True, return_counts=True)
    patterns, reviews = answers[:, places], int(counts.sum())
    drawn = chance.multinomial(reviews, counts / reviews, size=resamples) / reviews
    accuracies = np.split(drawn @ patterns.T, np.cumsum([len(method) for method in methods])[:-1], axis=1)
    weights = [chance.multinomial(len(each), np.full(len(each), 1 / len(each)), size=resamples) for each in methods]
    return [
        (accuracy * weight).sum(axis=1) / accuracy.shape[1]
        for accuracy, weight in zip(accuracies, weights, strict=True)
    ]


def _percentiles(values: np.ndarray, confidence: float) -> Interval:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))
