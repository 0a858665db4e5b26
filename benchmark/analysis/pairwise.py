"""All methods against each other: one kind of statement, one family of tests, letters.

S seeds, N reviews, `correct` of shape (S, N): whether the network of seed s is right about review i.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from benchmark.analysis.intervals import AccuracyInterval, Interval, accuracy_interval, network_difference_interval
from benchmark.analysis.letters import compact_letters
from benchmark.analysis.significance import (
    compare_methods,
    discordance,
    holm,
    mcnemar_exact,
    smallest_detectable_difference,
)

Level = Literal["networks", "methods"]
ALPHA = 0.05  # of the family; intervals are of one pair or row each, at 1 - ALPHA


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods, or one network of each. Accuracies are 0 to 1.

    Attributes:
        first: name of the better one.
        second: name of the other.
        difference: accuracy of the first - accuracy of the second.
        interval: for the difference, this pair by itself, not corrected for the others.
        p: of the test, this pair by itself.
        adjusted_p: Holm's, over all pairs.
        discordance: share of reviews that one of two networks alone labels rightly, in the mean over seeds.
        smallest_detectable: difference that the test finds with power 0.8 at the family's hardest step, ALPHA over the
            number of pairs. None for methods, where it hangs on how their seeds scatter, which a few seeds do not
            tell; and None for networks that disagree about too few reviews.
    """

    first: str
    second: str
    difference: float
    interval: Interval
    p: float
    adjusted_p: float
    discordance: float
    smallest_detectable: float | None

    @property
    def separated(self) -> bool:
        """Whether the family of tests tells the two apart."""
        return self.adjusted_p <= ALPHA


@dataclass(frozen=True, slots=True)
class Comparison:
    """What can be said of all of them together.

    Attributes:
        about: "methods": would other seeds give the same order? "networks": would these networks, one of each method,
            label other reviews in the same order?
        test: name of the test.
        rows: accuracy with its interval, by name, best first.
        pairs: every two of those compared, best first.
        letters: by name, best first; what no test tells apart shares a letter.
        left_out: names of methods with one seed, about which a comparison of methods says nothing.
    """

    about: Level
    test: str
    rows: dict[str, AccuracyInterval]
    pairs: tuple[Pair, ...]
    letters: dict[str, str]
    left_out: tuple[str, ...] = ()


def compare_all(methods: Mapping[str, np.ndarray]) -> Comparison:
    """Of methods if at least two have several seeds, else of networks.

    A method that draws nothing at random may be given its one row twice: its seeds do not scatter.

    Args:
        methods: (S, N) by name, S of each method its own, N reviews that are the same for all and in the same order.
    """
    several = sum(len(correct) > 1 for correct in methods.values())
    return compare_all_methods(methods) if several > 1 else compare_all_networks(methods)


def compare_all_methods(methods: Mapping[str, np.ndarray]) -> Comparison:
    """Compare, over seeds and reviews, those that have several seeds; the others are left out of pairs and letters."""
    rows = _rows(methods)
    pairs = []
    for first, second in combinations((name for name in rows if len(methods[name]) > 1), 2):
        found = compare_methods(methods[first], methods[second], 1 - ALPHA)
        assert found is not None, "both have several seeds"
        shared = discordance(methods[first], methods[second])
        pairs.append(Pair(first, second, found.difference, found.interval, found.p, found.p, shared, None))
    left_out = tuple(name for name in rows if len(methods[name]) == 1)
    return _comparison(
        "methods", "test over seeds and reviews (Welch, S - 1 to 2 (S - 1) degrees of freedom)", rows, pairs, left_out
    )


def compare_all_networks(methods: Mapping[str, np.ndarray]) -> Comparison:
    """Compare one network of each, that of the first seed: chosen before its accuracy was known."""
    networks = {name: correct[:1] for name, correct in methods.items()}
    rows = _rows(networks)
    together = list(combinations(rows, 2))
    pairs = []
    for first, second in together:
        one, other = networks[first][0], networks[second][0]
        p, shared = mcnemar_exact(one, other), discordance(one, other)
        detectable = smallest_detectable_difference(len(one), shared, alpha=ALPHA / len(together))
        interval = network_difference_interval(one, other, 1 - ALPHA)
        pairs.append(Pair(first, second, float(one.mean() - other.mean()), interval, p, p, shared, detectable))
    return _comparison("networks", "McNemar's exact test", rows, pairs, ())


def _rows(methods: Mapping[str, np.ndarray]) -> dict[str, AccuracyInterval]:
    assert len({correct.shape[1] for correct in methods.values()}) <= 1, "not the same reviews"
    rows = {name: accuracy_interval(correct, 1 - ALPHA) for name, correct in methods.items()}
    return dict(sorted(rows.items(), key=lambda row: -row[1].accuracy))


def _comparison(
    about: Level, test: str, rows: dict[str, AccuracyInterval], pairs: list[Pair], left_out: tuple[str, ...]
) -> Comparison:
    adjusted = holm([pair.p for pair in pairs])
    family = tuple(replace(pair, adjusted_p=p) for pair, p in zip(pairs, adjusted, strict=True))
    compared = [name for name in rows if name not in left_out]
    letters = compact_letters(compared, [(pair.first, pair.second) for pair in family if pair.separated])
    return Comparison(about, test, rows, family, letters, left_out)
