"""Letters beside the names: models that are not significantly different share one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase


def compact_letters(names: Sequence[str], separated: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return letters by name; two names share a letter if and only if they are not separated.

    Piepho 2004, "An algorithm for a letter-based representation of all-pairwise comparisons", J. Computational and
    Graphical Statistics 13: insert, absorb, sweep. The names need no order: the first and the last of three may share
    a letter that the second has not.

    Args:
        names: best first; the first has the letter a.
        separated: pairs that differ significantly, in any order.
    """
    rank = {name: index for index, name in enumerate(names)}
    columns = [frozenset(names)] if names else []
    for one, other in sorted(tuple(sorted(pair, key=rank.__getitem__)) for pair in separated):
        columns = _insert(columns, one, other)
    columns = sorted(_sweep(columns, names), key=lambda column: sorted(rank[name] for name in column))
    return {name: "".join(_letter(index) for index, column in enumerate(columns) if name in column) for name in names}


def _insert(columns: list[frozenset[str]], one: str, other: str) -> list[frozenset[str]]:
    """Replace each column (the names with one letter) that has both names by two columns with one of them each."""
    split = [
        part
        for column in columns
        for part in ([column - {one}, column - {other}] if {one, other} <= column else [column])
    ]
    unique = list(dict.fromkeys(split))
    return [column for column in unique if not any(column < larger for larger in unique)]  # the rest is absorbed


def _sweep(columns: list[frozenset[str]], names: Sequence[str]) -> list[frozenset[str]]:
    """Take letters away that connect nothing which other columns do not connect."""
    for index in range(len(columns)):
        for name in reversed(names):  # the worst name loses its letter first
            column = columns[index]
            others = columns[:index] + columns[index + 1 :]
            if name in column and all(any({name, mate} <= other for other in others) for mate in column):
                columns[index] = column - {name}
    return [column for column in columns if column]


def _letter(index: int) -> str:
    """Return one of a to z, then a' to z' and so on."""
    return ascii_lowercase[index % 26] + "'" * (index // 26)
