"""Reviews that a user brings: read one by one, so that a bad row costs no more than itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.table import long_fields

TEXT_COLUMN = "text"
STANDARD_INPUT = "standard input"
_SHOWN = 60  # characters of a wrong header that a message quotes


class ReviewInputError(InputError):
    """Input without a single usable review."""


@dataclass(frozen=True, slots=True)
class ReviewText:
    """One usable review.

    Attributes:
        line: where it begins, counted from 1; of texts given as arguments their number.
        text: the raw text.
    """

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class ReviewInput:
    """What was read.

    Attributes:
        reviews: the usable ones, in order.
        faults: one line for each of the others: where it is and what is wrong.
    """

    reviews: tuple[ReviewText, ...]
    faults: tuple[str, ...]


def read_arguments(texts: Sequence[str]) -> ReviewInput:
    """Reviews given one by one."""
    return _sorted_out("text", ((number, number, text) for number, text in enumerate(texts, start=1)))


def read_lines(content: bytes, name: str = STANDARD_INPUT) -> ReviewInput:
    """Reviews of one line each."""
    lines = _decoded(content).removesuffix("\n").split("\n") if content else []
    rows = ((number, number, line.removesuffix("\r")) for number, line in enumerate(lines, start=1))
    return _sorted_out(f"{name}, line", rows)


def read_table(path: Path) -> ReviewInput:
    """The column `text` of a CSV in UTF-8.

    Raises:
        ReviewInputError: the file cannot be read or has no such column.
    """
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise ReviewInputError(f"--input {path}: cannot be read: {error.strerror}; check the name") from None
    with long_fields():
        return _sorted_out(f"{path}, line", _table_rows(text, path))


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: str


def _sorted_out(where: str, rows: Iterator[tuple[int, int, str | _Fault]]) -> ReviewInput:
    """The usable rows and the faults, out of (first line, last line, text or what is wrong)."""
    reviews, faults = [], []
    for first, last, found in rows:
        reason = found.reason if isinstance(found, _Fault) else _unusable(found)
        if reason:
            faults.append(f"{where} {first}{f' to {last}' if last > first else ''}: {reason}")
        else:
            reviews.append(ReviewText(first, str(found)))
    return ReviewInput(tuple(reviews), tuple(faults))


def _unusable(text: str) -> str:
    """Why the text is no review; empty where it is one."""
    if "\0" in text:
        return "a NUL byte; save the input in UTF-8 (UTF-16 looks like this)"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "not UTF-8; save the input in UTF-8"
    return "" if text.strip() else "the text is empty"


def _decoded(content: bytes) -> str:
    """Text with or without the byte order mark that Excel writes; each byte that is no UTF-8 as a lone surrogate."""
    return content.decode("utf-8-sig", errors="surrogateescape")


def _table_rows(text: str, path: Path) -> Iterator[tuple[int, int, str | _Fault]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header, column = list[str](), 0
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if line == 1:
                raise ReviewInputError(f"{path}, line 1: {error}; check the quotes of the header") from None
            yield line, reader.line_num, _Fault(f"{error}; check the quotes around the text")
            continue
        if line == 1:
            header, column = fields, _text_column(fields, path)
        elif len(fields) != len(header):
            yield line, reader.line_num, _Fault(_wrong_width(fields, header))
        else:
            yield line, line, fields[column]


def _text_column(header: Sequence[str], path: Path) -> int:
    if TEXT_COLUMN not in header:
        shown = ",".join(header)[:_SHOWN]
        raise ReviewInputError(f"{path}, line 1: no column {TEXT_COLUMN}; the header is {shown!r}")
    if header.count(TEXT_COLUMN) > 1:
        raise ReviewInputError(f"{path}, line 1: column {TEXT_COLUMN} stands here twice; remove one")
    return header.index(TEXT_COLUMN)


def _wrong_width(fields: Sequence[str], header: Sequence[str]) -> str:
    if not fields:
        return "the row is empty"
    counts = f"{len(fields)} fields where the header has {len(header)}"
    return f"{counts}; put texts with commas or line breaks in double quotes"
