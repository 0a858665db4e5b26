"""The user's own reviews: a CSV or parquet with a text and a label in each row. Imports no torch."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_pipeline.errors import DataError
from data_pipeline.files import is_file, read_bytes

COLUMNS = ("text", "label")
LABELS = {"0": 0, "1": 1}
LABEL_ADVICE = "write 0 (negative) or 1 (positive); the suite compares models on two classes, more are not supported"
LONGEST_FIELD = 2**31 - 1  # characters; csv's own limit of 131,072 is too short for a long article
SHOWN = 60  # characters of a wrong value that a message quotes


def read_table(path: Path) -> list[tuple[str, int]]:
    """The (text, label) pairs of a table: parquet where the name ends in .parquet, else CSV in UTF-8.

    Raises:
        DataError: it cannot be read, lacks a column or a class or has a column twice, has a text that is empty or none,
            or a label that is not 0 or 1.
    """
    if not is_file(path):
        raise DataError(f"there is no file {path}; give `path` a CSV or parquet with columns text and label")
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_pairs(path)
    pairs = []
    for place, text, label in rows:
        if label not in LABELS:
            raise DataError(f"{path}, {place}: the label is {label[:SHOWN]!r}; {LABEL_ADVICE}")
        if not text.strip():
            raise DataError(f"{path}, {place}: the text is empty; fill it in or remove the row")
        if "\0" in text:  # of a CSV that was told before
            raise DataError(f"{path}, {place}: the text holds a NUL byte; write it again without")
        pairs.append((text, LABELS[label]))
    labels = {label for _, label in pairs}
    if len(labels) < len(LABELS):
        raise DataError(f"{path}: {len(pairs)} reviews with labels {sorted(labels)}; both 0 and 1 are needed")
    return pairs


def _csv_pairs(path: Path) -> Iterator[tuple[str, str, str]]:
    """Place, text and label of each row of a CSV."""
    for line, row in csv_rows(_decode(read_bytes(path), path), path, columns=set(COLUMNS)):
        yield f"line {line}", row["text"], row["label"]


def _parquet_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """Place, text and label of each row of a parquet file; a label may be text, a whole number or a truth value."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = pq.read_schema(path).names
        _check_columns(columns, COLUMNS, str(path), "columns are")
        table = pq.read_table(path, columns=list(COLUMNS))
        table.validate(full=True)  # Arrow takes bytes for text unseen, and offsets for what they say
        rows: list[dict[str, Any]] = table.to_pylist()
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # the last two: dates that Python has not
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as parquet ({reason}); write it again") from None
    for number, row in enumerate(rows, start=1):
        text, label = row["text"], row["label"]
        if not isinstance(text, str):
            found = repr(text)[:SHOWN]
            raise DataError(f"{path}, row {number}: the text is {found}, no text; fill it in or remove the row")
        # One missing label makes pandas write the whole column as floating point numbers.
        whole = isinstance(label, bool) or (isinstance(label, float) and label.is_integer())
        yield f"row {number}", text, str(int(label)) if whole else str(label)


def _decode(content: bytes, path: Path) -> str:
    """UTF-8 text, with or without the byte order mark that Excel writes."""
    position = content.find(b"\0")
    if position >= 0:
        line = _line_of(content, position)
        raise DataError(f"{path}, line {line}: a NUL byte; save the table as CSV in UTF-8 (UTF-16 looks like this)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_of(content, error.start)
        raise DataError(f"{path}, line {line}: not UTF-8 ({error.reason}); save the table in UTF-8") from error


def _line_of(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def csv_rows(text: str, path: Path, columns: set[str]) -> list[tuple[int, dict[str, str]]]:
    """Each row as a dict, with the number of the line it starts on; all rows are as wide as the header.

    Raises:
        DataError: a column is missing, a row has another width than the header, or the quoting is broken.
    """
    rows = []
    line = 1
    with long_fields():
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header = next(reader, [])
            _check_columns(header, columns, f"{path}, line 1", "header is")
            line = reader.line_num + 1
            for fields in reader:
                if fields:
                    rows.append((line, _row(header, fields, path, line)))
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}, line {line}: {error}; check the quotes around the texts") from error
    return rows


def _check_columns(header: Sequence[str], columns: Iterable[str], where: str, found_in: str) -> None:
    """Each column is there, and once."""
    found = f"the {found_in} {','.join(header)[:SHOWN]!r}"
    if missing := sorted(set(columns) - set(header)):
        raise DataError(f"{where}: no column {' and no column '.join(missing)}; {found}")
    if twice := sorted(column for column in columns if header.count(column) > 1):
        raise DataError(f"{where}: more than one column {' and '.join(twice)}; {found}")


def _row(header: list[str], fields: list[str], path: Path, line: int) -> dict[str, str]:
    if len(fields) != len(header):
        raise DataError(
            f"{path}, line {line}: {len(fields)} fields where the header has {len(header)};"
            " put texts with commas or line breaks in double quotes"
        )
    return dict(zip(header, fields, strict=True))


@contextmanager
def long_fields() -> Iterator[None]:
    """Let csv read long fields; its limit belongs to the whole process, so it is put back."""
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
