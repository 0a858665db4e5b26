"""Reviews that a user brings: a bad one is reported and the others are labelled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.paths import at_home
from data_pipeline.table import USUAL, Row, read_rows, text_fault


class ReviewInputError(InputError):
    """Input without a single usable review."""


@dataclass(frozen=True, slots=True)
class ReviewText:
    """One usable review.

    Attributes:
        line: where it begins, counted from 1; for texts given as arguments, their number.
        others: the other columns of its table, by name.
    """

    line: int
    text: str
    others: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReviewInput:
    """The usable reviews in order, and one line per unusable one: where it is, what is wrong and how to fix it."""

    reviews: tuple[ReviewText, ...]
    faults: tuple[str, ...]


def read_arguments(texts: Sequence[str]) -> ReviewInput:
    """Read reviews given one by one."""
    return _from_rows(_text_row(number, f"text {number}", text) for number, text in enumerate(texts, start=1))


def read_lines(content: bytes) -> ReviewInput:
    """Read reviews of one line each from standard input; blank lines are skipped."""
    text = content.decode("utf-8-sig", errors="surrogateescape").removesuffix("\n")
    lines = enumerate(text.split("\n") if content else [], start=1)
    return _from_rows(
        _text_row(n, f"standard input, line {n}", line.removesuffix("\r")) for n, line in lines if line.strip()
    )


def read_table(path: Path, column: str | None = None) -> ReviewInput:
    """Read the texts of a table, from the named column or one of a usual name, and its other columns.

    Raises:
        DataError: the file cannot be read or has no such column.
    """
    wanted = {"text": (column,) if column is not None else USUAL["text"]}
    return _from_rows(read_rows(at_home(path), wanted, "Name it by `--text-column NAME`.", others=True), f"{path}, ")


def _text_row(number: int, where: str, text: str) -> Row:
    return Row(number, where, {"text": text}, text_fault(text))


def _from_rows(rows: Iterable[Row], prefix: str = "") -> ReviewInput:
    rows = list(rows)
    reviews = tuple(ReviewText(row.line, row.values["text"], row.others) for row in rows if not row.fault)
    return ReviewInput(reviews, tuple(f"{prefix}{row.where}: {row.fault}" for row in rows if row.fault))
