"""Accuracy on parts of the test reviews: by length, by the stars that their writers gave, by a flag.

S networks of one method, N reviews, `correct` of shape (S, N): whether the network of seed s is right about review i.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmark.analysis.intervals import ConfidenceInterval, wilson_interval

LENGTH_EDGES = (100, 150, 200, 300, 500)  # tokens: the upper end of each bin but the last


class Slice(NamedTuple):
    """A method's mean accuracy over S networks on the reviews of one group, 0 to 1.

    The interval is Wilson's, 95 %, for so many reviews: several networks answer about the same reviews, so they do not
    make it narrower, and it says nothing of how seeds scatter.
    """

    name: str
    reviews: int
    accuracy: float
    interval: ConfidenceInterval


class Groups(NamedTuple):
    """The reviews in groups: names, and each review's place among them, -1 where the review is in none."""

    names: Sequence[str]
    codes: np.ndarray


def accuracy_by(correct: np.ndarray, groups: Groups) -> tuple[Slice, ...]:
    """Return a slice for each group that has reviews, from (S, N) answers and N reviews' groups."""
    shares = correct.mean(axis=0)
    found = []
    for code, name in enumerate(groups.names):
        members = groups.codes == code
        if count := int(members.sum()):
            accuracy = float(shares[members].mean())
            found.append(Slice(name, count, accuracy, wilson_interval(round(accuracy * count), count)))
    return tuple(found)


def length_groups(tokens: np.ndarray) -> Groups:
    """Group (N,) lengths in tokens by bins such as `101 to 150`."""
    edges = LENGTH_EDGES
    names = [f"up to {edges[0]}", *(f"{low + 1} to {high}" for low, high in pairwise(edges)), f"over {edges[-1]}"]
    return Groups(names, np.searchsorted(edges, tokens, side="left"))


def flag_groups(flags: np.ndarray, otherwise: str, flagged: str) -> Groups:
    """Group (N,) bool by flag, those without it first."""
    return Groups((otherwise, flagged), flags.astype(int))


def star_groups(stars: np.ndarray) -> Groups:
    """Group (N,) stars, 1 to 10, by names such as `7`; reviews whose stars are NaN are in no group."""
    known = np.unique(stars[~np.isnan(stars)])
    return Groups([f"{value:.0f}" for value in known], np.where(np.isnan(stars), -1, np.searchsorted(known, stars)))
