"""Read the official IMDB reviews from a folder, or from the .tar.gz without unpacking it.

Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011. Reviews are in `train` and
`test`, `neg` and `pos`, as `<index>_<stars>.txt`; line index + 1 of `urls_neg.txt` or `urls_pos.txt` names the film.
"""

import gzip
import io
import re
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Self

from data_pipeline.cache import cached_entry
from data_pipeline.errors import DataError, one_line
from data_pipeline.files import is_leftover, sha256_of, try_read
from data_pipeline.review import Review, review_ids

ROOT = "aclImdb"
SPLITS, CLASSES = ("train", "test"), ("neg", "pos")  # the label is the place in CLASSES
PARSED_VERSION = 2  # raise it when parsed reviews change their meaning: old entries are then never found again
PARSED_FILE = "reviews.parquet"

# The official archive unpacks to 0.5 GiB; its longest review has 13,704 characters.
LONGEST_ARCHIVE = 4 * 2**30
LONGEST_MEMBER = 64 * 2**20
LONGEST_NAME = 64 * 2**10  # bytes of a header that only extends another one's name
MOST_MEMBERS = 200_000  # the official archive has 100,000 reviews and some lists

FIX = "Download aclImdb_v1.tar.gz again."
_EXTENDING = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
_REVIEW = re.compile(r"(train|test)/(neg|pos)/(\d{1,9})_(\d{1,9})\.txt")
_URLS = re.compile(r"(train|test)/urls_(neg|pos)\.txt")
_FILM = re.compile(r"/title/(tt\d+)")


def read_aclimdb(path: Path, cache_dir: Path) -> tuple[list[Review], list[Review], int]:
    """Return the reviews of the official train and test parts, and how many leftovers were skipped among them.

    An archive is parsed once (3 s for 50,000 reviews) and cached under its hash; a folder is read each time.

    Args:
        path: the folder `aclImdb` or the one that holds it, or the .tar.gz.
        cache_dir: root of the cache.

    Raises:
        DataError: it is absent, damaged, of another layout, or has an unsafe member.
    """
    if try_read(path, Path.is_dir):
        rows, leftovers = _parse(_folder_members(path), path)
    elif try_read(path, Path.is_file):
        folder = cache_dir / "corpora" / f"{try_read(path, sha256_of)}-{PARSED_VERSION}"
        rows, leftovers = cached_entry(
            folder, lambda entry: _write(entry, *_parse(_archive_members(path), path)), _read
        )
    else:
        raise DataError(f"{path}: no such file or folder. Name the folder aclImdb or the archive aclImdb_v1.tar.gz.")
    # Train first: its ids are then those that the same reviews have without the test part, as in the embedded wheel.
    ids = review_ids((row["text"], row["label"]) for row in rows)
    reviews = [
        Review(id_, row["text"], row["label"], row["stars"], row["film"]) for id_, row in zip(ids, rows, strict=True)
    ]
    in_train = sum(row["split"] == "train" for row in rows)
    return reviews[:in_train], reviews[in_train:], leftovers


def _parse(members: Iterable[tuple[str, bytes]], where: Path) -> tuple[list[dict[str, Any]], int]:
    """Return one row per review, train before test, in the order of class and index; and the count of leftovers."""
    leftovers = 0
    reviews: dict[tuple[str, str, int], tuple[int, str]] = {}  # stars and text by split, class and index
    films: dict[tuple[str, str], list[str | None]] = {}  # by split and class
    for name, content in members:
        if is_leftover(name):
            leftovers += 1
        elif urls := _URLS.fullmatch(name):
            lines = _decode(content, name, where).splitlines()
            films[urls[1], urls[2]] = [match[1] if (match := _FILM.search(line)) else None for line in lines]
        elif review := _REVIEW.fullmatch(name):
            key = review[1], review[2], int(review[3])
            if key in reviews:
                raise DataError(f"{where}: two reviews of index {key[2]} in {key[0]}/{key[1]}. {FIX}")
            reviews[key] = _stars_and_text(review, _decode(content, name, where), where)
        elif re.match(r"(train|test)/(neg|pos)/.", name):
            raise DataError(f"{where}: {one_line(name)} is not named <index>_<stars>.txt. Remove it. {FIX}")
    for split in SPLITS:
        for class_ in CLASSES:
            if not any(key[:2] == (split, class_) for key in reviews):
                raise DataError(f"{where}: no review {ROOT}/{split}/{class_}/<index>_<stars>.txt. {FIX}")
    rows = []
    for split, class_, index in sorted(reviews, key=lambda key: (SPLITS.index(key[0]), CLASSES.index(key[1]), key[2])):
        stars, text = reviews[split, class_, index]
        urls_ = films.get((split, class_))
        if urls_ is not None and index >= len(urls_):
            raise DataError(
                f"{where}: {split}/urls_{class_}.txt has only {len(urls_)} lines for {split}/{class_}'s review {index}."
                f" {FIX}"
            )
        film = None if urls_ is None else urls_[index]
        rows.append({"split": split, "label": CLASSES.index(class_), "stars": stars, "film": film, "text": text})
    return rows, leftovers


def _stars_and_text(name: re.Match[str], text: str, where: Path) -> tuple[int, str]:
    stars, class_ = int(name[4]), name[2]
    allowed = range(1, 5) if class_ == "neg" else range(7, 11)
    fault = ""
    if not text.strip():
        fault = "empty"
    elif "\0" in text:
        fault = "a NUL byte"
    elif stars not in allowed:
        fault = f"{stars} stars (expected {allowed[0]} to {allowed[-1]} in {class_})"
    if fault:
        raise DataError(f"{where}: {name[0]}: {fault}. {FIX}")
    return stars, text


def _decode(content: bytes, name: str, where: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: {name}: not UTF-8 ({error.reason} at byte {error.start}). {FIX}") from None


def _folder_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name below the root, and content, of each review and url list of a folder.

    Raises:
        DataError: one cannot be read, is longer than any review, or is no file: reading a pipe would never end.
    """
    root = path / ROOT if (path / ROOT).is_dir() else path
    files = [root / split / f"urls_{class_}.txt" for split in SPLITS for class_ in CLASSES]
    files = [file for file in files if file.is_file()]
    files += [file for split in SPLITS for class_ in CLASSES for file in sorted((root / split / class_).glob("*"))]
    for file in files:
        name = file.relative_to(root).as_posix()
        if is_leftover(name):
            yield name, b""
            continue
        try:
            found = file.stat()
        except OSError as error:
            raise DataError(f"{path}: {one_line(name)}: cannot be read: {error.strerror}. Remove it.") from None
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"{path}: {one_line(name)}: not a file. Remove it.")
        _refuse_longer(found.st_size, name, path)
        yield name, try_read(file, Path.read_bytes)


def _archive_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the same of a .tar.gz, read from front to back; nothing is written to disk.

    Raises:
        DataError: it is no .tar.gz, is cut short or altered, unpacks to far more than the official one, or has a member
            that an honest copy cannot have: a link, a device, a path that leads out of the archive.
    """
    try:
        with (
            gzip.open(path) as unpacked,
            tarfile.open(fileobj=_Bounded(unpacked, path), mode="r|", tarinfo=_ShortNamed) as archive,
        ):
            for number, member in enumerate(archive):
                name = PurePosixPath(member.name)
                if number >= MOST_MEMBERS:
                    raise DataError(f"{path}: more than {MOST_MEMBERS:,} members. {FIX}")
                if name.is_absolute() or ".." in name.parts:
                    raise DataError(f"{path}: {member.name!r} leads out of the archive. {FIX}")
                if not (member.isreg() or member.isdir()):
                    raise DataError(f"{path}: {member.name!r} is neither a file nor a folder. {FIX}")
                inner = name.relative_to(ROOT).as_posix() if name.parts[:1] == (ROOT,) else ""
                if member.isreg() and re.match(r"(train|test)/(neg/|pos/|urls_(neg|pos)\.txt)", inner):
                    _refuse_longer(member.size, member.name, path)
                    content = archive.extractfile(member)
                    assert content is not None, "a regular file"
                    yield inner, content.read()
    except DataError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:  # the last: of a sparse file's map
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path}: cannot be read as a .tar.gz: {reason}. {FIX}") from None


def _refuse_longer(size: int, name: str, path: Path) -> None:
    if size > LONGEST_MEMBER:
        raise DataError(f"{path}: {name!r} has {size:,} bytes, more than any review (limit {LONGEST_MEMBER:,}). {FIX}")


class _ShortNamed(tarfile.TarInfo):
    """A member whose name or attributes are not megabytes long, which tarfile would read into memory whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header; raise tarfile.TarError where it is none or announces an endless name."""
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDING and member.size > LONGEST_NAME:
            raise tarfile.ReadError(f"a member's name or attributes have {member.size:,} bytes")
        return member


class _Bounded(io.RawIOBase):
    """An unpacked stream up to LONGEST_ARCHIVE bytes: a few megabytes can hold terabytes of zeros."""

    def __init__(self, unpacked: gzip.GzipFile, path: Path) -> None:
        self._unpacked, self._path, self._left = unpacked, path, LONGEST_ARCHIVE

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; raise DataError where there are too many."""
        if not 0 <= size <= self._left:
            limit = f"{LONGEST_ARCHIVE / 2**30:.0f} GiB"
            raise DataError(f"{self._path}: unpacks to more than {limit} (the official archive: 0.5 GiB). {FIX}")
        content = self._unpacked.read(size)
        self._left -= len(content)
        return content


def _write(folder: Path, rows: list[dict[str, Any]], leftovers: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(rows).replace_schema_metadata({"leftovers": str(leftovers)})
    pq.write_table(table, folder / PARSED_FILE)


def _read(folder: Path) -> tuple[list[dict[str, Any]], int]:
    import pyarrow.parquet as pq

    table = pq.read_table(folder / PARSED_FILE)
    return table.to_pylist(), int((table.schema.metadata or {}).get(b"leftovers", 0))
