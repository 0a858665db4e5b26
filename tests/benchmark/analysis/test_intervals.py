"""Intervals against published figures, scipy, and answers whose true accuracy is known."""

import numpy as np
import pytest
from scipy import stats

from benchmark.analysis.intervals import accuracy_interval, network_difference_interval, wilson_interval


class TestWilson:
    def test_published_figures(self):
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
        assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
        assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
        assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
        assert wilson_interval(20, 20) == (pytest.approx(1 - 0.1611, abs=5e-5), 1.0)

    def test_it_ends_where_the_score_test_rejects(self):
        low, high = wilson_interval(870, 1000, confidence=0.9)

        for edge in (low, high):
            z = (0.87 - edge) / np.sqrt(edge * (1 - edge) / 1000)
            assert abs(z) == pytest.approx(stats.norm.isf(0.05))


class TestOneMethod:
    def test_one_seed_gives_the_interval_of_a_network(self):
        assert accuracy_interval(np.arange(1000)[None] < 870) == wilson_interval(870, 1000)

    def test_several_seeds_give_the_t_interval_where_reviews_are_plenty(self, answers):
        correct = answers(np.random.default_rng(0), 4, 200_000, seed_sd=0.02)
        expected = stats.t.interval(0.95, 3, correct.mean(), stats.sem(correct.mean(axis=1)))

        assert accuracy_interval(correct) == pytest.approx(expected, abs=2e-4)

    def test_seeds_that_all_answer_alike_give_the_interval_over_reviews(self):
        half = stats.norm.isf(0.025) * np.sqrt(0.87 * 0.13 / 999)

        found = accuracy_interval(np.tile(np.arange(1000) < 870, (3, 1)))
        assert found == pytest.approx((0.87 - half, 0.87 + half))

    def test_it_stays_between_0_and_1_and_is_not_empty_where_seeds_happen_to_be_equally_accurate(self):
        scattered = np.stack([np.arange(100) < 99, np.arange(100) < 70])
        low, high = accuracy_interval(np.stack([np.arange(100) < 80, np.arange(100) >= 20]))

        assert accuracy_interval(scattered) == (0.0, 1.0)
        assert low < 0.8 < high

    @pytest.mark.parametrize("seeds", [2, 3, 5])
    def test_it_holds_the_true_accuracy_as_often_as_it_says(self, answers, seeds):
        chance, times = np.random.default_rng(seeds), 500
        intervals = [accuracy_interval(answers(chance, seeds, 1000)) for _ in range(times)]
        missed = sum(not low <= 0.85 <= high for low, high in intervals)

        assert missed <= stats.binom.ppf(0.999, times, 0.05)


class TestDifferenceOfTwoNetworks:
    def test_by_hand(self):
        # 41 + 1 and 19 + 1 of 500 + 2
        first, second = np.repeat([[1, 0, 1], [0, 1, 1]], [41, 19, 440], axis=1).astype(bool)
        half = 1.959964 * np.sqrt((62 / 502 - (22 / 502) ** 2) / 502)

        assert network_difference_interval(first, second) == pytest.approx((22 / 502 - half, 22 / 502 + half))
        assert network_difference_interval(second, first) == pytest.approx((-22 / 502 - half, -22 / 502 + half))

    def test_equal_networks_may_differ_elsewhere(self):
        same = np.ones(100, dtype=bool)
        low, high = network_difference_interval(same, same)

        assert -0.05 < low < 0 < high < 0.05
