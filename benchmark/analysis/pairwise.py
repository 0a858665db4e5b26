"""All models against each other: each pair by the test that its seeds allow, one family of tests, letters.

S seeds, N reviews, `correct` of shape (S, N): whether the network of seed s is right about review i.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from benchmark.analysis.intervals import ConfidenceInterval, networks_difference_interval
from benchmark.analysis.letters import compact_letters
from benchmark.analysis.significance import (
    compare_methods,
    discordance,
    holm,
    largest_p,
    smallest_detectable_difference,
)

ALPHA = 0.05  # of the family; intervals are of one pair or row each, at 1 - ALPHA
About = Literal["methods", "networks"]
TESTS: dict[About, str] = {
    "methods": "t-test over seeds and reviews (Welch)",
    "networks": "McNemar's exact test",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models, the better one first. Accuracies are 0 to 1.

    Attributes:
        about: "methods": both have several seeds; would other seeds give the same order? "networks": one of the two has
            a single seed; would these networks, each of one model and each of the other, label other reviews in the
            same order?
        difference: accuracy of the first - accuracy of the second.
        interval: for the difference of this pair alone, not corrected for the others.
        p: of the test of this pair alone.
        adjusted_p: Holm's, over all pairs.
        discordance: share of reviews that only one of two networks labels rightly, in the mean over seeds.
        smallest_detectable: difference that the test finds with power 0.8 at the family's strictest step, ALPHA over
            the number of pairs. None where a model has several seeds: it depends on how they scatter, which a few do
            not tell; and None for networks that disagree about too few reviews.
    """

    about: About
    first: str
    second: str
    difference: float
    interval: ConfidenceInterval
    p: float
    adjusted_p: float
    discordance: float
    smallest_detectable: float | None

    @property
    def test(self) -> str:
        """Name of the test."""
        return TESTS[self.about]

    @property
    def separated(self) -> bool:
        """Whether the two differ significantly in the family of tests."""
        return self.adjusted_p <= ALPHA


@dataclass(frozen=True, slots=True)
class PairwiseTests:
    """What can be said of all models together.

    Attributes:
        pairs: every two, best first.
        letters: by name, best first; models that are not significantly different share a letter.
    """

    pairs: tuple[Pair, ...]
    letters: dict[str, str]

    @property
    def about(self) -> tuple[About, ...]:
        """Return what the pairs are about, each once."""
        return tuple(about for about in TESTS if any(pair.about == about for pair in self.pairs))

    def pair(self, one: str, other: str) -> Pair | None:
        """Return the pair of these two names, in either order."""
        return next((pair for pair in self.pairs if {pair.first, pair.second} == {one, other}), None)


def compare_all(methods: Mapping[str, np.ndarray]) -> PairwiseTests:
    """Compare every two models as methods where both have several seeds, otherwise as the networks that there are.

    A pair's difference is always that of the mean accuracies over seeds. A method that draws nothing at random may be
    given its one row twice: its seeds do not scatter.

    Args:
        methods: (S, N) by name; each method has its own S; all share the same N reviews in the same order.
    """
    assert len({correct.shape[1] for correct in methods.values()}) <= 1, "not the same reviews"
    names = sorted(methods, key=lambda name: -methods[name].mean())
    together = list(combinations(names, 2))
    pairs = [_pair(one, other, methods[one], methods[other], tests=len(together)) for one, other in together]
    adjusted = holm([pair.p for pair in pairs])
    family = tuple(replace(pair, adjusted_p=p) for pair, p in zip(pairs, adjusted, strict=True))
    separated = [(pair.first, pair.second) for pair in family if pair.separated]
    return PairwiseTests(family, compact_letters(names, separated))


def better_than_constant(methods: Mapping[str, np.ndarray], constant: np.ndarray) -> dict[str, float]:
    """Return by name Holm's adjusted p that not each of the method's networks beats an answer that reads no review.

    Args:
        methods: (S, N) by name.
        constant: (N,) whether the constant answer is right about each review.
    """
    p_values = [largest_p(networks, constant[np.newaxis]) for networks in methods.values()]
    return dict(zip(methods, holm(p_values), strict=True))


def _pair(first: str, second: str, one: np.ndarray, other: np.ndarray, *, tests: int) -> Pair:
    share, detectable = discordance(one, other), None
    if min(len(one), len(other)) > 1:
        interval, p = compare_methods(one, other, 1 - ALPHA)
        about: About = "methods"
    else:
        interval, p = networks_difference_interval(one, other, 1 - ALPHA), largest_p(one, other)
        about = "networks"
        if len(one) == len(other):
            detectable = smallest_detectable_difference(one.shape[1], share, alpha=ALPHA / tests)
    return Pair(about, first, second, float(one.mean() - other.mean()), interval, p, p, share, detectable)
