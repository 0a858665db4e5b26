"""The drop from the test part and consistency, against statsmodels and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from benchmark.analysis.intervals import ConfidenceInterval, accuracy_interval, wilson_interval
from benchmark.analysis.shift import difference_interval, groups_right


@given(data=st.data(), reviews=st.integers(2, 9000), others=st.integers(2, 30_000))
def test_one_network_has_newcombes_interval_as_statsmodels_computes_it(data, reviews, others):
    right, right_of_others = data.draw(st.integers(0, reviews)), data.draw(st.integers(0, others))

    found = difference_interval(
        right / reviews,
        wilson_interval(right, reviews),
        right_of_others / others,
        wilson_interval(right_of_others, others),
    )

    expected = confint_proportions_2indep(right, reviews, right_of_others, others, method="newcomb")
    assert found == pytest.approx(expected, abs=1e-9)


def test_two_intervals_are_squared_and_added():
    found = difference_interval(0.7, ConfidenceInterval(0.67, 0.74), 0.8, ConfidenceInterval(0.77, 0.84))

    assert found == pytest.approx((-0.1 - 0.05, -0.1 + 0.05))


def test_the_interval_of_two_methods_covers_at_least_as_often_as_it_says():
    generator = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        skill = 0.8 + generator.normal(0, 0.01, 3)  # seeds are as good on the one as on the other
        test, other = (generator.random((3, 500)) < (skill - less)[:, None] for less in (0.0, 0.1))
        found = difference_interval(other.mean(), accuracy_interval(other), test.mean(), accuracy_interval(test))
        covered += found.low <= -0.1 <= found.high

    assert covered >= 0.95 * 400


def test_a_group_is_right_where_each_of_its_reviews_is():
    correct = np.array([[True, True, False, True, True], [True, False, True, True, True]])

    found = groups_right(correct, np.array(["b", "a", "a", "b", "c"], dtype=object))

    assert found.tolist() == [[False, True, True], [False, True, True]]
    assert found.dtype == bool
