"""Accuracy on parts of the test reviews: by length, by the stars that their writers gave, by what is known besides.

S networks of one method, N reviews, `correct` of shape (S, N): whether the network of seed s is right about review i.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmark.analysis.intervals import Interval, wilson_interval

LENGTH_EDGES = (100, 150, 200, 300, 500)  # tokens: the upper end of each bin but the last


@dataclass(frozen=True, slots=True)
class Slice:
    """A method on a part of the reviews.

    Attributes:
        name: what the part has in common.
        reviews: how many it has, at least 1.
        accuracy: share of right answers, 0 to 1, in the mean over the S networks.
        interval: Wilson's, 95 %, for so many right of so many reviews. Several networks answer about the same reviews,
            so they do not make it narrower, and how far the seeds scatter is not in it.
    """

    name: str
    reviews: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Groups:
    """The reviews in parts.

    Attributes:
        names: of the parts, in their order.
        codes: (N,) each review's place in `names`; -1: it is in none.
    """

    names: tuple[str, ...]
    codes: np.ndarray


def accuracy_by(correct: np.ndarray, groups: Groups) -> tuple[Slice, ...]:
    """A slice for each part that has reviews, in the order of the parts.

    Args:
        correct: (S, N).
        groups: of the N reviews.
    """
    shares = correct.mean(axis=0)
    found = []
    for code, name in enumerate(groups.names):
        members = groups.codes == code
        if count := int(members.sum()):
            accuracy = float(shares[members].mean())
            found.append(Slice(name, count, accuracy, wilson_interval(round(accuracy * count), count)))
    return tuple(found)


def length_groups(tokens: np.ndarray) -> Groups:
    """(N,) lengths in tokens, as bins such as `101 to 150`."""
    edges = LENGTH_EDGES
    middle = (f"{low + 1} to {high}" for low, high in pairwise(edges))
    return Groups((f"up to {edges[0]}", *middle, f"over {edges[-1]}"), np.searchsorted(edges, tokens, side="left"))


def flag_groups(flags: np.ndarray, otherwise: str, flagged: str) -> Groups:
    """(N,) bool as two parts, in this order: those without the flag, those with it."""
    return Groups((otherwise, flagged), np.asarray(flags, dtype=int))


def star_groups(stars: np.ndarray) -> Groups:
    """(N,) 1 to 10, NaN where they are not known, as parts such as `7`."""
    known = np.unique(stars[~np.isnan(stars)])
    codes = np.where(np.isnan(stars), -1, np.searchsorted(known, stars))
    return Groups(tuple(f"{value:.0f}" for value in known), codes)
