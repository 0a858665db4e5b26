"""Read a table of reviews, with labels (`source: table`) or without (`predict --input`). Imports no torch.

The standard library's csv and json, not pandas: pandas drops what follows an unquoted comma, mends broken quotes and
knows no line numbers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from data_pipeline.config import ColumnsConfig, LabelsConfig, spelled
from data_pipeline.errors import DataError, one_line
from data_pipeline.table_formats import Record, encoding_fault, read_records

USUAL = {
    "text": ("text", "review", "sentence", "content", "comment"),
    "label": ("label", "sentiment", "class", "target", "polarity"),
    "group": ("group", "pair", "batch_id", "pair_id"),
}
FIX = "Name it by `--set data.columns.{0}=NAME`."
QUOTED = 60  # characters of a wrong value that a message quotes


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        line: its first line, or its number in JSON's arrays and parquet, counted from 1.
        where: such as `line 3`, `line 3 to 5` or `row 3`.
        values: of the wanted columns, by what they were wanted for; none where the row cannot be read.
        fault: what is wrong with the row and how to fix it; empty where nothing is.
        others: values of the other columns, by name.
    """

    line: int
    where: str
    values: dict[str, Any]
    fault: str = ""
    others: dict[str, Any] = field(default_factory=dict)


def read_labelled(
    path: Path, columns: ColumnsConfig | None = None, labels: LabelsConfig | None = None
) -> list[tuple[str, int]]:
    """Return the (text, label) pairs of a table.

    Raises:
        DataError: it cannot be read, a column or a class is missing, a text is unusable, or a label is unknown.
    """
    return [pair for pair, _ in read_grouped(path, columns, labels, "--set data")]


def read_grouped(
    path: Path, columns: ColumnsConfig | None, labels: LabelsConfig | None, setting: str
) -> list[tuple[tuple[str, int], str | None]]:
    """Return the ((text, label), group) rows of a table; the group is None where no column has groups.

    Args:
        path: the file.
        columns: names of its columns; a `ChallengeColumnsConfig` may name that of the groups.
        labels: what it writes for each label.
        setting: where the user says `columns` and `labels`.

    Raises:
        DataError: as of `read_labelled`, or a row lacks its group.
    """
    named = (columns or ColumnsConfig()).model_dump(exclude_none=True)
    words = labels or LabelsConfig()
    known = words.by_spelling()
    wanted = {role: (named[role],) if role in named else names for role, names in USUAL.items()}
    optional = {"group"} - named.keys()
    rows = []
    for row in read_rows(path, wanted, FIX.replace("--set data", setting), optional=optional):
        label, group = row.values.get("label"), row.values.get("group", "no group")
        fault = row.fault or _label_fault(label, known, words, setting) or _group_fault(group)
        if fault:
            raise DataError(f"{path}, {row.where}: {fault}")
        rows.append(((row.values["text"], known[spelled(label)]), str(group) if "group" in row.values else None))
    lacking = {0, 1} - {label for (_, label), _ in rows}
    if lacking:
        names = [str((words.negative, words.positive)[label][0]) for label in sorted(lacking)]
        raise DataError(f"{path}: {len(rows)} reviews, none with label {' or '.join(names)}. Both are needed.")
    return rows


def read_rows(
    path: Path,
    wanted: Mapping[str, Sequence[str]],
    fix: str = FIX,
    *,
    optional: Collection[str] = (),
    others: bool = False,
) -> list[Row]:
    """Return the rows of a table of any of `read_records`' formats, without its blank ones.

    Args:
        path: the file.
        wanted: names that a column may have, the best first, by what the column is wanted for; `text` among them.
        fix: how the user names a column.
        optional: what of the wanted columns a table may lack.
        others: read the other columns too.

    Raises:
        DataError: the file cannot be read, or a wanted column is missing or there twice.
    """

    def find(header: Sequence[str]) -> dict[str, int]:
        return _places(header, wanted, fix, optional)

    records = read_records(path, find, others=others)
    places = find(records.header)
    names = _distinct(records.header)
    return [_row(record, names, places, others=others) for record in records.rows]


def text_fault(text: Any) -> str:
    """Return what makes the text no usable review; empty where it is one."""
    if not isinstance(text, str):
        return f"the text is {one_line(repr(text))[:QUOTED]}. Fill it in or remove the row."
    return encoding_fault(text) or ("" if text.strip() else "the text is empty. Fill it in or remove it.")


def _row(record: Record, header: Sequence[str], places: Mapping[str, int], *, others: bool) -> Row:
    if record.fault:
        return Row(record.line, record.where, {}, record.fault)
    values = {role: record.cells[place] for role, place in places.items()}
    fault, rest = text_fault(values["text"]), {}
    if others:
        taken = places.values()
        rest = {header[place]: cell for place, cell in enumerate(record.cells) if place not in taken}
        faults = ((name, encoding_fault(cell)) for name, cell in rest.items() if isinstance(cell, str))
        fault = fault or next((f"column {name}: {each}" for name, each in faults if each), "")
    return Row(record.line, record.where, values, fault, rest)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names, each that was there before with the next number that makes it another, as pandas does."""
    distinct: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}.{number}" for number in count(1))
        others = {*distinct, *names}
        distinct[name if name not in distinct else next(each for each in numbered if each not in others)] = None
    return list(distinct)


def _places(
    header: Sequence[str], wanted: Mapping[str, Sequence[str]], fix: str, optional: Collection[str]
) -> dict[str, int]:
    """Return where in the header the wanted columns are; raise ValueError where one is not, or not surely."""
    found = {role: _matching(header, names) for role, names in wanted.items()}
    shown = f"the header is {','.join(header)[:QUOTED]!r}. "
    if missing := [role for role, places in found.items() if not places and role not in optional]:
        names = [wanted[role][0] for role in missing]
        raise ValueError(f"no column {' and no column '.join(names)}; {shown}{fix.format(missing[0])}")
    if twice := [role for role, places in found.items() if len(places) > 1]:
        raise ValueError(f"more than one column {' and '.join(twice)}; {shown}Remove one. {fix.format(twice[0])}")
    return {role: place for role, places in found.items() for place in places}


def _matching(header: Sequence[str], names: Sequence[str]) -> list[int]:
    """Return the places of the best name, as it is written, else in any letters, else of any of the names."""
    folded, best = [name.rstrip().casefold() for name in header], names[0].casefold()
    exact = [place for place, name in enumerate(header) if name == names[0]]
    same = [place for place, name in enumerate(folded) if name == best]
    return exact or same or [place for place, name in enumerate(folded) if name in names]


def _label_fault(label: Any, known: Mapping[str, int], words: LabelsConfig, setting: str) -> str:
    if spelled(label) in known:
        return ""
    found = "is empty" if label is None or label == "" else f"{str(label)[:QUOTED]!r}"
    expected = f"{words.negative[0]} (negative) or {words.positive[0]} (positive)"
    return f"label {found}. Write {expected}, or say what yours mean by `{setting}.labels.negative=[...]`."


def _group_fault(group: Any) -> str:
    return "" if str("" if group is None else group).strip() else "the group is empty. Fill it in or remove the row."
