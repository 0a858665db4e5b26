"""The bootstrap by patterns of answers against one that draws reviews one by one."""

import numpy as np
import pytest

from benchmark.analysis.bootstrap import bootstrap_accuracy, bootstrap_difference
from benchmark.analysis.intervals import wilson_interval


def one_by_one(chance, methods, resamples):
    """Accuracies of each method, seeds and reviews drawn by their index."""
    reviews = methods[0].shape[1]
    drawn = []
    for _ in range(resamples):
        places = chance.integers(0, reviews, reviews)
        seeds = [chance.integers(0, len(each), len(each)) for each in methods]
        drawn.append([each[np.ix_(own, places)].mean() for each, own in zip(methods, seeds, strict=True)])
    return np.array(drawn).T


@pytest.fixture
def methods(answers):
    chance = np.random.default_rng(0)
    return answers(chance, 3, 400, seed_sd=0.03), answers(chance, 2, 400, accuracy=0.8)


def test_of_one_method_and_of_a_difference_over_the_same_reviews(methods):
    one, other = one_by_one(np.random.default_rng(1), methods, 5000)

    alone = bootstrap_accuracy(methods[0], resamples=5000)
    assert alone == pytest.approx(tuple(np.quantile(one, [0.025, 0.975])), abs=0.004)
    difference = bootstrap_difference(*methods, resamples=5000, confidence=0.9)
    assert difference == pytest.approx(tuple(np.quantile(one - other, [0.05, 0.95])), abs=0.004)


def test_of_one_network_it_is_about_the_reviews_alone():
    correct = np.arange(1000)[None] < 870

    assert bootstrap_accuracy(correct) == pytest.approx(wilson_interval(870, 1000), abs=0.003)


def test_a_method_does_not_differ_from_itself_by_its_reviews():
    same = np.tile(np.arange(1000) < 870, (3, 1))

    assert bootstrap_difference(same, same) == (0.0, 0.0)


def test_the_same_seed_gives_the_same_interval(methods):
    assert bootstrap_difference(*methods) == bootstrap_difference(*methods)
    assert bootstrap_difference(*methods) != bootstrap_difference(*methods, seed=1)
