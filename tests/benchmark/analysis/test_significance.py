"""Tests against the binomial written out, against other definitions of the same, and against simulated networks."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from benchmark.analysis.significance import (
    compare_methods,
    discordance,
    holm,
    mcnemar_exact,
    smallest_detectable_difference,
)


def networks(only_first, only_second, both):
    """Answers of two networks of which one alone is right, the other alone, and both."""
    return np.repeat([[True, False, True], [False, True, True]], [only_first, only_second, both], axis=1)


class TestMcNemar:
    @pytest.mark.parametrize(
        ("only_first", "only_second"), [(5, 1), (15, 4), (4, 15), (20, 20), (60, 90), (0, 6), (0, 0)]
    )
    def test_it_is_twice_the_smaller_tail(self, only_first, only_second):
        total, fewer = only_first + only_second, min(only_first, only_second)
        tail = sum(math.comb(total, k) for k in range(fewer + 1)) / 2**total

        assert mcnemar_exact(*networks(only_first, only_second, 100)) == pytest.approx(min(1.0, 2 * tail))


class TestTwoMethods:
    def test_p_and_interval_agree_and_a_large_difference_is_found(self, answers):
        chance = np.random.default_rng(1)
        for accuracy in [0.81] * 50 + [0.7]:
            (low, high), p = compare_methods(answers(chance, 3, 1000), answers(chance, 3, 1000, accuracy=accuracy))
            assert (p <= 0.05) == (not low <= 0 <= high)
        assert p < 1e-3
        assert low < 0.15 < high

    def test_swapped_methods_give_the_mirrored_interval(self, answers):
        chance = np.random.default_rng(2)
        one, other = answers(chance, 3, 1000), answers(chance, 2, 1000)
        (interval, p), (mirrored, same) = compare_methods(one, other), compare_methods(other, one)

        assert same == pytest.approx(p)
        assert mirrored == pytest.approx((-interval.high, -interval.low))

    def test_seeds_that_scatter_hide_what_one_network_each_would_show(self):
        # 90 and 80 % against 80 and 70 %, each over the same 1,000 reviews
        one, other = (np.arange(1000) < np.array([[first], [second]]) for first, second in ((900, 800), (800, 700)))

        assert mcnemar_exact(one[0], other[0]) < 1e-20
        assert compare_methods(one, other)[1] > 0.2

    @pytest.mark.parametrize(
        ("seeds", "sds"), [((2, 2), (0.01, 0.01)), ((3, 3), (0.002, 0.02)), ((2, 5), (0.02, 0.01))]
    )
    def test_equal_methods_are_told_apart_no_more_often_than_alpha(self, answers, seeds, sds):
        chance, times = np.random.default_rng(4), 300
        pairs = (
            [answers(chance, each, 1000, seed_sd=sd) for each, sd in zip(seeds, sds, strict=True)] for _ in range(times)
        )
        found = sum(compare_methods(*pair)[1] <= 0.05 for pair in pairs)

        assert found <= stats.binom.ppf(0.999, times, 0.05)


class TestHolm:
    @pytest.mark.parametrize(
        ("p_values", "adjusted"),
        [
            ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]),  # 3 x 0.01; 2 x 0.03; 1 x 0.04 would be less than the one before
            ([0.9, 0.8], [1.0, 1.0]),
            ([0.03], [0.03]),
            ([], []),
        ],
    )
    def test_by_hand(self, p_values, adjusted):
        assert holm(p_values) == pytest.approx(adjusted)

    def test_it_is_the_closed_test_of_bonferronis(self):
        """A hypothesis falls at alpha where all sets of hypotheses with it fall, each by its smallest p."""
        p_values = np.random.default_rng(0).random(5) ** 3
        sets = [each for size in range(1, 6) for each in combinations(range(5), size)]
        bounds = {each: min(1.0, len(each) * min(p_values[list(each)])) for each in sets}
        expected = [max(bound for each, bound in bounds.items() if member in each) for member in range(5)]

        assert holm(list(p_values)) == pytest.approx(expected)


def test_discordance_is_the_mean_share_that_one_alone_gets_right_over_pairs_of_networks(answers):
    chance = np.random.default_rng(0)
    one, other = answers(chance, 2, 500), answers(chance, 3, 500)

    assert discordance(*networks(15, 5, 80)) == pytest.approx(0.2)
    assert discordance(one, other) == pytest.approx(np.mean([a != b for a in one for b in other]))


class TestSmallestDetectableDifference:
    @pytest.mark.parametrize(
        ("reviews", "discordant", "alpha"), [(1000, 0.1, 0.05), (1000, 0.04, 0.005), (300, 0.2, 0.05)]
    )
    def test_it_is_found_with_the_power_asked_for(self, reviews, discordant, alpha):
        difference = smallest_detectable_difference(reviews, discordant, alpha=alpha)
        shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
        drawn = np.random.default_rng(0).multinomial(reviews, shares, 2000)
        found = np.count_nonzero([mcnemar_exact(*networks(*counts)) <= alpha for counts in drawn])

        assert stats.binom.ppf(0.001, 2000, 0.8) <= found <= stats.binom.ppf(0.999, 2000, 0.8)

    def test_with_many_reviews_it_is_that_of_connors_formula(self):
        reviews, share = 25_000, 0.12
        found = smallest_detectable_difference(reviews, share)
        needed = (stats.norm.isf(0.025) * math.sqrt(share) + stats.norm.isf(0.2) * math.sqrt(share - found**2)) ** 2

        assert needed / found**2 == pytest.approx(reviews, rel=0.02)

    @pytest.mark.parametrize("discordant", [0.0, 0.004])
    def test_networks_that_disagree_too_rarely_cannot_be_told_apart(self, discordant):
        assert smallest_detectable_difference(1000, discordant) is None
