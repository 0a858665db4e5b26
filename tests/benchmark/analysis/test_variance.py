"""The analysis of variance against its textbook form, and the parts against known components."""

import numpy as np
import pytest
from scipy import stats

from benchmark.analysis.variance import VariancePart, crossed_variance, difference_parts, half_width, p_value, welch


def test_the_parts_are_the_mean_squares_of_the_residuals(answers):
    correct = answers(np.random.default_rng(0), 3, 50)
    seed, review = correct.mean(axis=1, keepdims=True), correct.mean(axis=0, keepdims=True)
    mean, cells = correct.mean(), 3 * 50
    rest = ((correct - seed - review + mean) ** 2).sum() / (2 * 49)
    found = crossed_variance(correct)

    assert found.seeds == (pytest.approx(50 * ((seed - mean) ** 2).sum() / 2 / cells), 2)
    assert found.seeds.variance == pytest.approx(stats.sem(correct.mean(axis=1)) ** 2)
    assert found.reviews == (pytest.approx((3 * ((review - mean) ** 2).sum() / 49 - rest) / cells), np.inf)
    assert found.rest == pytest.approx(rest / cells)


def test_known_components_are_found_and_add_up_to_the_variance_of_the_mean(answers):
    chance, (seeds, reviews) = np.random.default_rng(1), (4, 400)
    drawn = [answers(chance, seeds, reviews, accuracy=0.7, seed_sd=0.04, review_sd=0.15) for _ in range(2000)]
    found = [crossed_variance(correct) for correct in drawn]
    rest = 0.7 * 0.3 - 0.04**2 - 0.15**2
    by_seeds, by_reviews = (np.mean([each[part].variance for each in found]) for part in (0, 1))

    assert by_seeds == pytest.approx((0.04**2 + rest / reviews) / seeds, rel=0.1)
    assert by_reviews == pytest.approx(0.15**2 / reviews, rel=0.05)
    assert np.mean([each.rest for each in found]) == pytest.approx(rest / seeds / reviews, rel=0.02)
    assert np.var([correct.mean() for correct in drawn]) == pytest.approx(by_seeds + by_reviews, rel=0.1)


def test_a_negative_component_is_set_to_0():
    correct = np.array([[True, False] * 50, [False, True] * 50])  # equally accurate, and never right together

    assert crossed_variance(correct)[:2] == ((0.0, 1), (0.0, np.inf))


def test_what_two_methods_find_hard_together_does_not_count_in_their_difference(answers):
    chance = np.random.default_rng(4)
    rows = chance.choice([-1, 1], 300)
    drawn = [[answers(chance, 3, 300, review_sd=0.14, seed_sd=0.0, rows=rows) for _ in "ab"] for _ in range(2000)]
    expected = np.mean([sum(part.variance for part in difference_parts(*pair)) for pair in drawn])

    assert np.var([one.mean() - other.mean() for one, other in drawn]) == pytest.approx(expected, rel=0.15)


def test_seeds_of_equal_number_are_one_part_as_in_welchs_test(answers):
    chance = np.random.default_rng(5)
    one, other = answers(chance, 3, 100_000, seed_sd=0.005), answers(chance, 3, 100_000, seed_sd=0.02)
    seeds, reviews = difference_parts(one, other)
    expected = stats.ttest_ind(one.mean(axis=1), other.mean(axis=1), equal_var=False)

    assert seeds.freedom == pytest.approx(expected.df)
    assert p_value(one.mean() - other.mean(), [seeds]) == pytest.approx(expected.pvalue)
    assert reviews.freedom == np.inf


def test_seeds_of_unequal_number_stay_apart_and_those_that_do_not_scatter_add_nothing(answers):
    chance = np.random.default_rng(6)
    parts = difference_parts(answers(chance, 2, 1000), answers(chance, 5, 1000))

    assert [part.freedom for part in parts] == [1, 4, np.inf]
    assert welch(VariancePart(0.0, 2), VariancePart(0.0, 2)) == VariancePart(0.0)
    assert welch(VariancePart(0.5, 2), VariancePart(0.0, 2)) == VariancePart(0.5, 2)


@pytest.mark.parametrize("alpha", [0.05, 0.005, 1e-9])
@pytest.mark.parametrize(
    "parts",
    [
        [VariancePart(2e-6, 1), VariancePart(1e-6)],
        [VariancePart(1e-6, 4)],
        [VariancePart(1e-9, 2), VariancePart(1e-4, 7)],
    ],
)
def test_p_is_the_alpha_whose_interval_just_reaches_0(parts, alpha):
    assert p_value(half_width(parts, alpha), parts) == pytest.approx(alpha)
    assert p_value(-half_width(parts, alpha), parts) == pytest.approx(alpha)


def test_with_one_part_it_is_the_t_test_and_where_nothing_varies_any_difference_is_certain():
    assert half_width([VariancePart(0.01, 3)], 0.1) == pytest.approx(0.1 * stats.t.isf(0.05, 3))
    assert p_value(0.2, [VariancePart(0.01, 3)]) == pytest.approx(2 * stats.t.sf(2, 3))
    assert [p_value(difference, [VariancePart(0.0, 1), VariancePart(0.0)]) for difference in (0.0, 0.01)] == [1.0, 0.0]


@pytest.mark.parametrize("true", [(1, 0), (0.5, 0.5), (0.1, 0.9), (0.01, 0.99)])
def test_the_interval_covers_whatever_the_true_parts_are(true):
    """Seeds' part estimated with one degree of freedom, the other part known."""
    chance, times = np.random.default_rng(7), 1000
    estimates = true[0] * chance.chisquare(1, times)
    values = chance.normal(0, 1, times)  # of variance 1, as both parts together
    widths = [half_width([VariancePart(each, 1), VariancePart(true[1])]) for each in estimates]

    assert np.count_nonzero(np.abs(values) > widths) <= stats.binom.ppf(0.999, times, 0.05)
