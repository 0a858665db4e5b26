"""All methods against each other: one kind of statement, one family of tests, letters.

S seeds, N reviews, `correct` of shape (S, N): whether the network of seed s is right about review i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from benchmark.analysis.intervals import ConfidenceInterval, network_difference_interval
from benchmark.analysis.letters import compact_letters
from benchmark.analysis.significance import (
    compare_methods,
    discordance,
    holm,
    mcnemar_exact,
    smallest_detectable_difference,
)

ALPHA = 0.05  # of the family; intervals are of one pair or row each, at 1 - ALPHA


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods, or one network of each, the better one first. Accuracies are 0 to 1.

    Attributes:
        difference: accuracy of the first - accuracy of the second.
        interval: for the difference of this pair alone, not corrected for the others.
        p: of the test of this pair alone.
        adjusted_p: Holm's, over all pairs.
        discordance: share of reviews that only one of two networks labels rightly, in the mean over seeds.
        smallest_detectable: difference that the test finds with power 0.8 at the family's strictest step, ALPHA over
            the number of pairs. None for methods, where it depends on how seeds scatter, which a few seeds do not
            tell; and None for networks that disagree about too few reviews.
    """

    first: str
    second: str
    difference: float
    interval: ConfidenceInterval
    p: float
    adjusted_p: float
    discordance: float
    smallest_detectable: float | None

    @property
    def separated(self) -> bool:
        """Whether the two differ significantly in the family of tests."""
        return self.adjusted_p <= ALPHA


@dataclass(frozen=True, slots=True)
class PairwiseTests:
    """What can be said of all models together.

    Attributes:
        about: "methods": would other seeds give the same order? "networks": would these networks, one of each method,
            label other reviews in the same order?
        test: name of the test.
        pairs: every two of those compared, best first.
        letters: by name, best first; models that are not significantly different share a letter.
        left_out: names of methods with one seed, about which a comparison of methods says nothing.
    """

    about: Literal["networks", "methods"]
    test: str
    pairs: tuple[Pair, ...]
    letters: dict[str, str]
    left_out: tuple[str, ...] = ()

    def pair(self, one: str, other: str) -> Pair | None:
        """Return the pair of these two names, in either order."""
        return next((pair for pair in self.pairs if {pair.first, pair.second} == {one, other}), None)


def compare_all(methods: Mapping[str, np.ndarray]) -> PairwiseTests:
    """Compare methods if at least two have several seeds, otherwise one network of each.

    A method that draws nothing at random may be given its one row twice: its seeds do not scatter.

    Args:
        methods: (S, N) by name; each method has its own S; all share the same N reviews in the same order.
    """
    assert len({correct.shape[1] for correct in methods.values()}) <= 1, "not the same reviews"
    several = sum(len(correct) > 1 for correct in methods.values())
    return _compare_all_methods(methods) if several > 1 else _compare_all_networks(methods)


def better_than_constant(methods: Mapping[str, np.ndarray], constant: np.ndarray) -> dict[str, float]:
    """Return by name Holm's adjusted p that not each of the method's networks beats an answer that reads no review.

    The largest p of McNemar's exact test of its networks, 1 for one that is not above the constant: an
    intersection-union test (Berger 1982), which needs no more than one network and no variance over seeds.

    Args:
        methods: (S, N) by name.
        constant: (N,) whether the constant answer is right about each review.
    """
    largest = [
        max(mcnemar_exact(correct, constant) if correct.sum() > constant.sum() else 1.0 for correct in networks)
        for networks in methods.values()
    ]
    return dict(zip(methods, holm(largest), strict=True))


def _compare_all_methods(methods: Mapping[str, np.ndarray]) -> PairwiseTests:
    names = _best_first(methods)
    compared = [name for name in names if len(methods[name]) > 1]
    together = combinations(compared, 2)
    family = _correct([_method_pair(one, other, methods[one], methods[other]) for one, other in together])
    test = "t-test over seeds and reviews (Welch)"
    left_out = tuple(name for name in names if name not in compared)
    return PairwiseTests("methods", test, family, _letters(compared, family), left_out)


def _compare_all_networks(methods: Mapping[str, np.ndarray]) -> PairwiseTests:
    """Compare one network of each method, that of the first seed: chosen before its accuracy was known."""
    networks = {name: correct[0] for name, correct in methods.items()}
    names = _best_first(networks)
    together = list(combinations(names, 2))
    pairs = [_network_pair(one, other, networks[one], networks[other], tests=len(together)) for one, other in together]
    family = _correct(pairs)
    return PairwiseTests("networks", "McNemar's exact test", family, _letters(names, family))


def _method_pair(first: str, second: str, one: np.ndarray, other: np.ndarray) -> Pair:
    interval, p = compare_methods(one, other, 1 - ALPHA)
    return Pair(first, second, float(one.mean() - other.mean()), interval, p, p, discordance(one, other), None)


def _network_pair(first: str, second: str, one: np.ndarray, other: np.ndarray, *, tests: int) -> Pair:
    p, share = mcnemar_exact(one, other), discordance(one, other)
    detectable = smallest_detectable_difference(len(one), share, alpha=ALPHA / tests)
    interval = network_difference_interval(one, other, 1 - ALPHA)
    return Pair(first, second, float(one.mean() - other.mean()), interval, p, p, share, detectable)


def _best_first(methods: Mapping[str, np.ndarray]) -> list[str]:
    return sorted(methods, key=lambda name: -methods[name].mean())


def _correct(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    adjusted = holm([pair.p for pair in pairs])
    return tuple(replace(pair, adjusted_p=p) for pair, p in zip(pairs, adjusted, strict=True))


def _letters(names: Sequence[str], pairs: Sequence[Pair]) -> dict[str, str]:
    return compact_letters(names, [(pair.first, pair.second) for pair in pairs if pair.separated])
