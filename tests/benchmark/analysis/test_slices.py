"""Accuracy on parts of the reviews, with Wilson's interval for so many reviews."""

import numpy as np
import pytest

from benchmark.analysis.intervals import wilson_interval
from benchmark.analysis.slices import Groups, accuracy_by, flag_groups, length_groups, star_groups


def test_a_slice_is_about_its_own_reviews_and_one_without_reviews_is_left_out():
    correct = np.array([[True, True, False, True, False]])

    first, second = accuracy_by(correct, Groups(("a", "none", "b"), np.array([0, 0, 0, 2, -1])))

    assert (first.name, first.reviews, first.accuracy) == ("a", 3, pytest.approx(2 / 3))
    assert (second.name, second.reviews, second.accuracy) == ("b", 1, 1.0)


def test_accuracy_is_the_mean_over_seeds_and_more_seeds_make_the_interval_no_narrower():
    """Networks that answer alike about the same reviews know no more of them than one does."""
    one = np.arange(100)[None] % 4 != 0
    groups = Groups(("all",), np.zeros(100, dtype=int))

    (single,), (thrice,) = accuracy_by(one, groups), accuracy_by(np.repeat(one, 3, axis=0), groups)

    assert thrice == single
    assert single.interval == wilson_interval(75, 100)


def test_lengths_fall_into_bins_that_hold_their_upper_end():
    groups = length_groups(np.array([1, 100, 101, 500, 501, 9000]))
    names = ["up to 100", "up to 100", "101 to 150", "301 to 500", "over 500", "over 500"]

    assert [groups.names[code] for code in groups.codes] == names


def test_stars_that_are_not_known_are_in_no_part_and_a_flag_makes_two():
    stars = star_groups(np.array([10, np.nan, 1, 10]))
    flags = flag_groups(np.array([False, True]), "whole", "cut")

    assert (list(stars.names), stars.codes.tolist()) == (["1", "10"], [1, -1, 0, 1])
    assert [flags.names[code] for code in flags.codes] == ["whole", "cut"]
