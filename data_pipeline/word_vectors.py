"""Vectors of a vocabulary's words, learned before: out of a text file, or from an encoder. Imports no torch.

V words, E numbers per vector. A word without a vector has a row of NaN.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data_pipeline.encoder_weights import read_shapes, weights_files
from data_pipeline.errors import DataError
from data_pipeline.files import sha256_of, try_read
from data_pipeline.tokenization import WordPieceTokenizer

DEVIATION = 0.3  # of each number over the encoder's words: that of vectors which were learned as such
GZIP = b"\x1f\x8b"
ENCODER_TABLE = "word_embeddings.weight"  # the end of its name, in every kind of encoder
FIX = "Name a file of GloVe, word2vec or fastText vectors as text."


def file_width(path: Path, sha256: str | None) -> int:
    """Return E of a file of vectors; raise DataError where it has none, or another hash."""
    width = _read_width(path, next(_lines(path)))
    if sha256 is not None and (found := try_read(path, sha256_of)) != sha256:
        raise DataError(f"{path}: is another file (got sha256 {found}, expected {sha256}). {FIX}")
    return width


def encoder_width(encoder_dir: Path) -> int:
    """Return E of the encoder's input vectors; raise DataError where it has none."""
    _, shape = _table(encoder_dir)
    return shape[1]


def read_vectors(path: Path, words: Sequence[str]) -> np.ndarray:
    """Return the (V, E) float32 vectors of the words from a text file, `.gz` or not.

    One word per line with its numbers, as GloVe writes it; a first line with two numbers, as word2vec and fastText
    write it, is skipped. Of a word that is there twice the first line counts.

    Raises:
        DataError: the file cannot be read, or a line of one of the words is not E finite numbers.
    """
    wanted = {word.encode(): place for place, word in enumerate(words)}
    found, width = None, 0
    for number, line in enumerate(_lines(path), start=1):
        if found is None:
            width = _read_width(path, line)
            found = np.full((len(words), width), np.nan, dtype=np.float32)
            if len(line.split()) == 2:
                continue
        place = wanted.get(line.split(b" ", 1)[0])
        if place is None or not np.isnan(found[place, 0]):
            continue
        numbers = line.split()[1:]
        if len(numbers) > width:  # a "word" of several words, such as `. . .`
            continue
        try:
            found[place] = np.array(numbers, dtype=np.float32)
            if not np.isfinite(found[place]).all():
                raise ValueError
        except ValueError:
            raise DataError(f"{path}, line {number}: expected {width} finite numbers. {FIX}") from None
    assert found is not None, "_lines raises where there are none"
    return found


def encoder_vectors(encoder_dir: Path, words: Sequence[str]) -> np.ndarray:
    """Return the (V, E) float32 mean of each word's input vectors in the encoder, centred, of deviation DEVIATION.

    Raises:
        DataError: the encoder has no table of input vectors, or no usable tokenizer.
    """
    table, tokenizer = _input_vectors(encoder_dir), WordPieceTokenizer(encoder_dir)
    found = np.full((len(words), table.shape[1]), np.nan, dtype=np.float32)
    for place, pieces in enumerate(tokenizer.encode(words)):
        if tokenizer.unk_id not in pieces:
            found[place] = table[pieces].mean(axis=0)
    known = found[~np.isnan(found[:, 0])]
    scale = known.std(axis=0) if len(known) > 1 else 1.0
    return np.asarray((found - known.mean(axis=0)) / np.maximum(scale, 1e-6) * DEVIATION, dtype=np.float32)


def _input_vectors(encoder_dir: Path) -> np.ndarray:
    from safetensors import safe_open

    wanted, _ = _table(encoder_dir)
    for path in weights_files(encoder_dir):
        with safe_open(path, framework="np") as file:
            if wanted in file.keys():  # noqa: SIM118  no mapping
                return np.asarray(file.get_tensor(wanted), dtype=np.float32)
    raise AssertionError("read_shapes found the table")


def _table(encoder_dir: Path) -> tuple[str, tuple[int, ...]]:
    """Return name and shape of the table of input vectors."""
    found = [table for table in read_shapes(encoder_dir).items() if table[0].endswith(ENCODER_TABLE)]
    if len(found) != 1:
        raise DataError(f"{encoder_dir}: {len(found)} tables {ENCODER_TABLE} among the weights, expected one.")
    return found[0]


def _read_width(path: Path, first: bytes) -> int:
    fields = first.split()
    width = int(fields[1]) if len(fields) == 2 and all(field.isdigit() for field in fields) else len(fields) - 1
    if width < 2:
        raise DataError(f"{path}, line 1: no word with its numbers (got {first[:40]!r}). {FIX}")
    return width


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as start:
            packed = start.read(2) == GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            lines = 0
            for line in file:
                lines += 1
                yield line
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "cut short or damaged"
        raise DataError(f"{path}: cannot be read: {reason}. {FIX}") from None
    if not lines:
        raise DataError(f"{path}: is empty. {FIX}")
