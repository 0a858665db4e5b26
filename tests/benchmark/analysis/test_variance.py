"""The analysis of variance against its textbook form, and the parts against known components."""

import numpy as np
import pytest
from scipy import stats

from benchmark.analysis.variance import Part, crossed_variance, difference_parts, half_width, p_value, welch


def test_mean_squares_are_those_of_the_residuals(answers):
    correct = answers(np.random.default_rng(0), 3, 50)
    seed, review = correct.mean(axis=1, keepdims=True), correct.mean(axis=0, keepdims=True)
    mean = correct.mean()
    found = crossed_variance(correct)

    assert found.seed_square == pytest.approx(50 * ((seed - mean) ** 2).sum() / 2)
    assert found.review_square == pytest.approx(3 * ((review - mean) ** 2).sum() / 49)
    assert found.rest_square == pytest.approx(((correct - seed - review + mean) ** 2).sum() / (2 * 49))


def test_components_are_found_again(answers):
    chance = np.random.default_rng(1)
    found = [crossed_variance(answers(chance, 4, 400, accuracy=0.7, seed_sd=0.04, review_sd=0.15)) for _ in range(500)]

    assert np.mean([each.seed_component for each in found]) == pytest.approx(0.04**2, rel=0.15)
    assert np.mean([each.review_component for each in found]) == pytest.approx(0.15**2, rel=0.05)
    rest = 0.7 * 0.3 - 0.04**2 - 0.15**2
    assert np.mean([each.rest_square for each in found]) == pytest.approx(rest, rel=0.02)


def test_the_parts_add_up_to_the_variance_of_the_mean(answers):
    chance = np.random.default_rng(2)
    drawn = [answers(chance, 3, 300, accuracy=0.7, seed_sd=0.02, review_sd=0.15) for _ in range(3000)]
    parts = [crossed_variance(correct) for correct in drawn]
    expected = np.mean([each.seed_part.variance + each.review_part.variance for each in parts])

    assert np.var([correct.mean() for correct in drawn]) == pytest.approx(expected, rel=0.1)


def test_the_seeds_part_is_the_variance_of_their_accuracies(answers):
    correct = answers(np.random.default_rng(3), 5, 300)

    assert crossed_variance(correct).seed_part.variance == pytest.approx(stats.sem(correct.mean(axis=1)) ** 2)
    assert crossed_variance(correct).seed_part.freedom == 4


def test_a_negative_component_is_set_to_0():
    # The same accuracy for both seeds, and never right together.
    correct = np.array([[True, False] * 50, [False, True] * 50])
    found = crossed_variance(correct)

    assert (found.seed_component, found.review_component) == (0.0, 0.0)
    assert found.review_part == Part(0.0)


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
    assert welch(Part(0.0, 2), Part(0.0, 2)) == Part(0.0)
    assert welch(Part(0.5, 2), Part(0.0, 2)) == Part(0.5, 2)


@pytest.mark.parametrize("alpha", [0.05, 0.005, 1e-9])
@pytest.mark.parametrize("parts", [[Part(2e-6, 1), Part(1e-6)], [Part(1e-6, 4)], [Part(1e-9, 2), Part(1e-4, 7)]])
def test_p_is_the_alpha_whose_interval_just_reaches_0(parts, alpha):
    assert p_value(half_width(parts, alpha), parts) == pytest.approx(alpha)
    assert p_value(-half_width(parts, alpha), parts) == pytest.approx(alpha)


def test_with_one_part_it_is_the_t_test_and_where_nothing_varies_any_difference_is_certain():
    assert half_width([Part(0.01, 3)], 0.1) == pytest.approx(0.1 * stats.t.isf(0.05, 3))
    assert p_value(0.2, [Part(0.01, 3)]) == pytest.approx(2 * stats.t.sf(2, 3))
    assert [p_value(difference, [Part(0.0, 1), Part(0.0)]) for difference in (0.0, 0.01)] == [1.0, 0.0]


@pytest.mark.parametrize("true", [(1, 0), (0.5, 0.5), (0.1, 0.9), (0.01, 0.99)])
def test_the_interval_covers_whatever_the_true_parts_are(true):
    """Seeds' part estimated with one degree of freedom, the other part known."""
    chance, times = np.random.default_rng(7), 1000
    estimates = true[0] * chance.chisquare(1, times)
    values = chance.normal(0, 1, times)  # of variance 1, as both parts together
    widths = [half_width([Part(each, 1), Part(true[1])]) for each in estimates]

    assert np.count_nonzero(np.abs(values) > widths) <= stats.binom.ppf(0.999, times, 0.05)
