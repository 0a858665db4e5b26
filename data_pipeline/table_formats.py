"""Read the records of a CSV, TSV, JSON, JSON lines or parquet file, compressed or not. Imports no torch."""

import bz2
import csv
import gzip
import io
import itertools
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data_pipeline.errors import DataError, one_line
from data_pipeline.files import is_leftover, try_read

LONGEST_FIELD = 2**31 - 1  # characters; csv's own limit of 131,072 is too short for a long article
SHOWN = 80  # characters of a library's reason
DELIMITERS = ",\t;|"
FORMATS = "Let its name end in .csv, .tsv, .json, .jsonl or .parquet, then .gz, .bz2, .xz or .zip where compressed."


def _only_member(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not is_leftover(name)]
        if len(names) != 1:
            raise ValueError(f"{len(names)} files in it (expected 1)")
        return archive.read(names[0])


UNPACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zip": _only_member,
}
# Returns where in a header the wanted columns are; raises ValueError where one is not.
Find = Callable[[Sequence[str]], dict[str, int]]


class Record(NamedTuple):
    """One row of a table; without cells where something is wrong with it."""

    line: int
    where: str
    cells: Sequence[Any]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """A table as it was read."""

    header: Sequence[str]
    rows: Sequence[Record]


def read_records(path: Path, find: Find, *, others: bool) -> Records:
    """Return the records of a file, whose format is that of its name's ending, CSV where the ending is another.

    Args:
        path: the file.
        find: raises ValueError where a header lacks what is wanted; the delimiter is the one with which it does not.
        others: read columns of parquet that are not wanted, too.

    Raises:
        DataError: it cannot be read, or lacks what is wanted.
    """
    content, endings = try_read(path, Path.read_bytes), [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in UNPACKED:
        try:
            content = UNPACKED[endings.pop()](content)
        except (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: cannot be unpacked: {_reason(error)}. {FORMATS}") from None
    ending = endings[-1] if endings else ""
    if ending in {".parquet", ".pq"}:
        return _parquet(content, path, find, others=others)
    if ending in {".json", ".jsonl", ".ndjson"}:
        return _json(content, path, find)
    return _delimited(content, path, find, "\t" if ending == ".tsv" else DELIMITERS)


def encoding_fault(text: str) -> str:
    """Return what makes the text no UTF-8, of which `surrogateescape` made it; empty where nothing does."""
    if "\0" in text:
        return "a NUL byte. Save the file in UTF-8 (UTF-16 looks like this)."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "not UTF-8. Save the file in UTF-8."
    return ""


def _reason(error: Exception) -> str:
    return one_line(" ".join(str(error).split()))[:SHOWN].rstrip(".")


def _text(content: bytes) -> str:
    # A byte that is not UTF-8 becomes a lone surrogate, which `encoding_fault` finds; Excel writes a byte order mark.
    return content.decode("utf-8-sig", errors="surrogateescape")


def _delimited(content: bytes, path: Path, find: Find, delimiters: str) -> Records:
    with _long_fields():
        reader, header = _opened(_text(content), path, find, delimiters)
        rows: list[Record] = []
        fields: list[str] | None = header
        while fields is not None:
            line, fault = reader.line_num + 1, ""
            try:
                fields = next(reader, None)
            except csv.Error as error:
                fields, fault = [], f"{error}. Check the quotes around the text."
            if not fault and not any(map(str.strip, fields or ())):
                continue
            if not fault and len(fields or ()) != len(header):
                fault = f"{len(fields or ())} fields (expected {len(header)}). "
                fault += "Put texts with commas or line breaks in double quotes."
            where = f"line {line}" + (f" to {reader.line_num}" if fault and reader.line_num > line else "")
            rows.append(Record(line, where, fields or (), fault))
    return Records(header, rows)


def _opened(text: str, path: Path, find: Find, delimiters: str) -> tuple[Any, list[str]]:
    """Return a csv.reader behind the header, and the header: by the first delimiter with which `find` succeeds."""
    faults: list[tuple[int, str]] = []
    for delimiter, blanks in itertools.product(delimiters, (False, True)):  # blanks: before a field
        lines = io.StringIO(text, newline="")
        reader = csv.reader(lines, strict=True, delimiter=delimiter, skipinitialspace=blanks)
        try:
            header = next(filter(None, reader), [])
            if fault := encoding_fault("".join(header)):
                raise DataError(f"{path}, line 1: {fault} {FORMATS}")
            find(header)
        except csv.Error as error:
            faults.append((0, f"{error}. Check the quotes around the text."))
        except DataError:
            raise
        except ValueError as error:
            faults.append((len(header), str(error)))
        else:
            return reader, header
    _, fault = max(faults, key=lambda each: each[0])  # of the delimiter that finds the most columns
    raise DataError(f"{path}, line 1: {fault}")


def _json(content: bytes, path: Path, find: Find) -> Records:
    """Read an array of objects, or one object per line."""
    text = _text(content)
    if text.lstrip().startswith("["):
        whole, fault = _loaded(text, list)
        if fault:
            raise DataError(f"{path}: {fault}. Write an array of objects, or one object per line.")
        found = [
            (n, f"row {n}", (row, "no object") if not isinstance(row, dict) else (row, ""))
            for n, row in enumerate(whole, start=1)
        ]
    else:
        lines = enumerate(text.split("\n"), start=1)
        found = [(number, f"line {number}", _loaded(line, dict)) for number, line in lines if line.strip()]
    header = list(dict.fromkeys(key for *_, (row, fault) in found if not fault for key in row))
    _find(find, header, str(path))
    return Records(
        header,
        [
            Record(line, where, (), f'{fault}. Write one object per row, as in {{"text": "...", "label": 0}}.')
            if fault
            else Record(line, where, [row.get(name) for name in header])
            for line, where, (row, fault) in found
        ],
    )


def _loaded(text: str, kind: type) -> tuple[Any, str]:
    """Return the JSON value, and what is wrong where it is not of this kind."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # the first also of a number with thousands of digits
        return None, f"no JSON ({getattr(error, 'msg', error)})"
    return value, "" if isinstance(value, kind) else f"no JSON {'array' if kind is list else 'object'}"


def _parquet(content: bytes, path: Path, find: Find, *, others: bool) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        header = pq.read_schema(pa.BufferReader(content)).names
        places = _find(find, header, str(path))
        wanted = None if others else [header[place] for place in places.values()]
        table = pq.read_table(pa.BufferReader(content), columns=wanted)
        table.validate(full=True)  # Arrow takes bytes for text unseen, and offsets for what they say
        columns = [column.to_pylist() for column in table.columns]
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # the last two: dates that Python has not
        raise DataError(f"{path}: cannot be read as parquet: {_reason(error)}. Write it again.") from None
    rows = enumerate(zip(*columns, strict=True), start=1)
    return Records(table.column_names, [Record(number, f"row {number}", cells) for number, cells in rows])


def _find(find: Find, header: Sequence[str], where: str) -> dict[str, int]:
    if fault := encoding_fault("".join(header)):
        raise DataError(f"{where}: the names of the columns: {fault}")
    try:
        return find(header)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let csv read long fields and restore its limit, which belongs to the whole process."""
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
