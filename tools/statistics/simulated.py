"""Answers of networks whose methods' true accuracies are known: seeds differ, reviews are hard or easy."""

import math

import numpy as np
from scipy import stats

ACCURACY = 0.88
ALIKE_SEEDS = 0.8  # correlation of what two networks of one method find hard: they disagree about 10 % of reviews
ALIKE_METHODS = 0.6  # of two methods: they disagree about 14 %


def middle(accuracy, spread):
    """Where the latent value of a method lies whose networks are right with this probability in the mean over seeds."""
    return stats.norm.ppf(accuracy) * math.sqrt(1 + spread**2)


def answers(chance, accuracies, seed_sds, seeds, reviews):
    """A bool array (seeds, reviews) for each method.

    A network is right where method + seed + review + rest > 0, all normal, review + rest of variance 1. `seed_sds` are
    standard deviations of a network's true accuracy, in points.
    """
    common = chance.standard_normal(reviews, dtype=np.float32)
    return [
        _method(chance, accuracy, seed_sd, seeds, common)
        for accuracy, seed_sd in zip(accuracies, seed_sds, strict=True)
    ]


def _method(chance, accuracy, seed_sd, seeds, common):
    spread = seed_sd / 100 / stats.norm.pdf(stats.norm.ppf(accuracy))
    own = chance.standard_normal(len(common), dtype=np.float32)
    review = math.sqrt(ALIKE_METHODS) * common + math.sqrt(ALIKE_SEEDS - ALIKE_METHODS) * own
    rest = chance.standard_normal((seeds, len(common)), dtype=np.float32)
    level = middle(accuracy, spread) + spread * chance.standard_normal((seeds, 1))
    return math.sqrt(1 - ALIKE_SEEDS) * rest + review > -level


def two_networks(chance, only_first, only_second, reviews):
    """(reviews,) answers of two networks that are right alone about these shares of all reviews, in expectation."""
    counts = chance.multinomial(reviews, [only_first, only_second, 1 - only_first - only_second])
    return np.repeat([True, False, True], counts), np.repeat([False, True, True], counts)
