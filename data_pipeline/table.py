"""Read a CSV or parquet table of reviews, with labels (`source: table`) or without (`predict --input`). No torch."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_pipeline.errors import DataError
from data_pipeline.files import try_read

LABELS = {"0": 0, "1": 1}
LONGEST_FIELD = 2**31 - 1  # characters; csv's own limit of 131,072 is too short for a long article
QUOTED = 60  # characters of a wrong value that a message quotes


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        line: its first line, or its number in parquet, counted from 1.
        where: such as `line 3`, `line 3 to 5` or `row 3`.
        values: by column; none where the row cannot be read.
        fault: what is wrong with the row and how to fix it; empty where nothing is.
    """

    line: int
    where: str
    values: dict[str, str]
    fault: str = ""


def read_labelled(path: Path) -> list[tuple[str, int]]:
    """Return the (text, label) pairs of a table.

    Raises:
        DataError: it cannot be read, a column or a class is missing, a text is unusable, or a label is not 0 or 1.
    """
    pairs = []
    for row in read_rows(path, ("text", "label")):
        label = row.values.get("label", "")
        fault = row.fault or (
            "" if label in LABELS else f"label {label[:QUOTED]!r}. Write 0 (negative) or 1 (positive)."
        )
        if fault:
            raise DataError(f"{path}, {row.where}: {fault}")
        pairs.append((row.values["text"], LABELS[label]))
    labels = {label for _, label in pairs}
    if len(labels) < len(LABELS):
        raise DataError(f"{path}: {len(pairs)} reviews with labels {sorted(labels)}. Both 0 and 1 are needed.")
    return pairs


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a table: parquet where the name ends in .parquet, else CSV in UTF-8 without its blank lines.

    Raises:
        DataError: the file cannot be read, or one of the columns (`text` and others) is missing or there twice.
    """
    if path.suffix == ".parquet":
        return _parquet_rows(path, columns)
    # Each byte that is not UTF-8 becomes a lone surrogate, which `text_fault` finds; Excel writes a byte order mark.
    content = try_read(path, Path.read_bytes).decode("utf-8-sig", errors="surrogateescape")
    rows: list[Row] = []
    header: list[str] = []
    with _long_fields():
        reader = csv.reader(io.StringIO(content, newline=""), strict=True)
        fields: list[str] | None = []
        while fields is not None:
            line, fault = reader.line_num + 1, ""
            try:
                fields = next(reader, None)
            except csv.Error as error:
                fields, fault = [], f"{error}. Check the quotes around the text."
            if line == 1:
                header = fields or []
                _check_header(header, fault or _encoding_fault(",".join(header)), columns, f"{path}, line 1")
            elif fields or fault:
                rows.append(_row(line, reader.line_num, header, fields or [], fault))
    return rows


def _row(line: int, end: int, header: list[str], fields: list[str], fault: str) -> Row:
    if not fault and len(fields) != len(header):
        fault = f"{len(fields)} fields (expected {len(header)}). Put texts with commas or line breaks in double quotes."
    if fault:
        return Row(line, f"line {line}" + (f" to {end}" if end > line else ""), {}, fault)
    values = dict(zip(header, fields, strict=True))
    return Row(line, f"line {line}", values, text_fault(values["text"]))


def text_fault(text: str) -> str:
    """Return what makes the text no usable review; empty where it is one."""
    return _encoding_fault(text) or ("" if text.strip() else "the text is empty. Fill it in or remove it.")


def _encoding_fault(text: str) -> str:
    if "\0" in text:
        return "a NUL byte. Save the file in UTF-8 (UTF-16 looks like this)."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "not UTF-8. Save the file in UTF-8."
    return ""


def _parquet_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read a parquet file, whose labels may be text, whole numbers or truth values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _check_header(pq.read_schema(path).names, "", columns, str(path))
        table = pq.read_table(path, columns=list(columns))
        table.validate(full=True)  # Arrow takes bytes for text unseen, and offsets for what they say
        rows: list[dict[str, Any]] = table.to_pylist()
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # the last two: dates that Python has not
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as parquet: {reason}. Write it again.") from None
    return [_parquet_row(number, values["text"], values.get("label")) for number, values in enumerate(rows, start=1)]


def _parquet_row(number: int, text: Any, label: Any) -> Row:
    # One missing label makes pandas write the whole column as floating point numbers.
    if isinstance(label, bool) or (isinstance(label, float) and label.is_integer()):
        label = int(label)
    fault = f"the text is {repr(text)[:QUOTED]}. Fill it in or remove the row."
    return Row(
        number,
        f"row {number}",
        {"text": str(text), "label": str(label)},
        text_fault(text) if isinstance(text, str) else fault,
    )


def _check_header(header: Sequence[str], fault: str, columns: Sequence[str], where: str) -> None:
    found = f"the header is {','.join(header)[:QUOTED]!r}"
    if missing := [column for column in columns if column not in header]:
        fault = fault or f"no column {' and no column '.join(missing)}; {found}. Add it."
    elif twice := [column for column in columns if header.count(column) > 1]:
        fault = f"more than one column {' and '.join(twice)}; {found}. Remove one."
    if fault:
        raise DataError(f"{where}: {fault}")


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let csv read long fields and restore its limit, which belongs to the whole process."""
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
