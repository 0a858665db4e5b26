"""The official IMDB reviews in their own layout: a folder, or a .tar.gz that is read without unpacking it.

Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011. Reviews lie in `train` and
`test`, `neg` and `pos`, as `<index>_<stars>.txt`; line index + 1 of `urls_neg.txt` or `urls_pos.txt` names the film.
"""

import gzip
import io
import re
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Self

from data_pipeline.cache import cached_entry
from data_pipeline.errors import DataError, one_line
from data_pipeline.files import file_sha256, is_file, is_folder, read_bytes
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

ARCHIVE_ADVICE = "download aclImdb_v1.tar.gz again"
_EXTENDING = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
_REVIEW = re.compile(r"(train|test)/(neg|pos)/(\d{1,9})_(\d{1,9})\.txt")
_URLS = re.compile(r"(train|test)/urls_(neg|pos)\.txt")
_FILM = re.compile(r"/title/(tt\d+)")


@dataclass(frozen=True, slots=True)
class OfficialReviews:
    """The labelled reviews of the two official parts."""

    train: tuple[Review, ...]
    test: tuple[Review, ...]


def read_aclimdb(path: Path, cache_dir: Path) -> OfficialReviews:
    """Read a folder or an archive in the official layout.

    An archive is read once (3 s for 50,000 reviews); what was found is kept under its hash, to be opened in half a
    second. A folder is read each time.

    Args:
        path: the folder `aclImdb` or the one that holds it, or the .tar.gz.
        cache_dir: root of the cache.

    Raises:
        DataError: it is not there, is damaged, has another layout, or has a member that does not belong into it.
    """
    if is_folder(path):
        rows = _parse(_folder_members(path), path)
    elif is_file(path):
        folder = cache_dir / "corpora" / f"{file_sha256(path)}-{PARSED_VERSION}"
        rows = cached_entry(folder, lambda entry: _write(entry, _parse(_archive_members(path), path)), parsed_reviews)
    else:
        raise DataError(f"there is no {path}; name the folder aclImdb or the archive aclImdb_v1.tar.gz")
    # Train first: its ids are then those that the same reviews have without the test part, as in the embedded wheel.
    ids = review_ids((row["text"], row["label"]) for row in rows)
    reviews = [
        Review(id_, row["text"], row["label"], row["stars"], row["film"]) for id_, row in zip(ids, rows, strict=True)
    ]
    in_train = sum(row["split"] == "train" for row in rows)
    return OfficialReviews(tuple(reviews[:in_train]), tuple(reviews[in_train:]))


@dataclass(slots=True)
class _Found:
    """What the members say: reviews by split, class and index, and the films of each list."""

    reviews: dict[tuple[str, str, int], tuple[int, str]] = field(default_factory=dict)
    films: dict[tuple[str, str], list[str | None]] = field(default_factory=dict)


def _parse(members: Iterable[tuple[str, bytes]], where: Path) -> list[dict[str, Any]]:
    """A row for each review, train before test, in the order of class and index."""
    found = _Found()
    for name, content in members:
        if urls := _URLS.fullmatch(name):
            lines = _decode(content, name, where).splitlines()
            found.films[urls[1], urls[2]] = [match[1] if (match := _FILM.search(line)) else None for line in lines]
        elif review := _REVIEW.fullmatch(name):
            _add_review(found, review, content, where)
        elif re.match(r"(train|test)/(neg|pos)/.", name):
            raise DataError(
                f"{where}: {one_line(name)} is not named <index>_<stars>.txt; remove it or {ARCHIVE_ADVICE}"
            )
    for split in SPLITS:
        for class_ in CLASSES:
            if not any(key[:2] == (split, class_) for key in found.reviews):
                raise DataError(
                    f"{where} has no review {ROOT}/{split}/{class_}/<index>_<stars>.txt: it is no copy of the official"
                    f" data or only a part of it; {ARCHIVE_ADVICE}"
                )
    keys = sorted(found.reviews, key=lambda key: (SPLITS.index(key[0]), CLASSES.index(key[1]), key[2]))
    return [_row(found, key, where) for key in keys]


def _add_review(found: _Found, name: re.Match[str], content: bytes, where: Path) -> None:
    key, stars = (name[1], name[2], int(name[3])), int(name[4])
    text = _decode(content, name[0], where)
    if not text.strip():
        raise DataError(f"{where}: {name[0]} is empty; {ARCHIVE_ADVICE}")
    if "\0" in text:
        raise DataError(f"{where}: {name[0]} holds a NUL byte; {ARCHIVE_ADVICE}")
    if key in found.reviews:
        raise DataError(f"{where}: {name[1]}/{name[2]} has two reviews of index {key[2]}; {ARCHIVE_ADVICE}")
    right = range(1, 5) if name[2] == "neg" else range(7, 11)
    if stars not in right:
        raise DataError(
            f"{where}: {name[0]}: {stars} stars where {name[2]} has {right[0]} to {right[-1]}; {ARCHIVE_ADVICE}"
        )
    found.reviews[key] = (stars, text)


def _row(found: _Found, key: tuple[str, str, int], where: Path) -> dict[str, Any]:
    split, class_, index = key
    stars, text = found.reviews[key]
    films = found.films.get((split, class_))
    if films is not None and index >= len(films):
        raise DataError(
            f"{where}: {split}/urls_{class_}.txt has {len(films)} lines and {split}/{class_} a review {index}; "
            f"{ARCHIVE_ADVICE}"
        )
    film = None if films is None else films[index]
    return {"split": split, "label": CLASSES.index(class_), "stars": stars, "film": film, "text": text}


def _decode(content: bytes, name: str, where: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: {name} is not UTF-8 ({error.reason} at byte {error.start}); {ARCHIVE_ADVICE}"
        ) from None


def _folder_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name below the root, and content, of each review and url list of a folder.

    Raises:
        DataError: one cannot be read, is longer than any review, or is no file: reading a pipe would never end.
    """
    root = path / ROOT if (path / ROOT).is_dir() else path
    files = [root / split / f"urls_{class_}.txt" for split in SPLITS for class_ in CLASSES]
    files = [file for file in files if file.is_file()]
    files += [file for split in SPLITS for class_ in CLASSES for file in sorted((root / split / class_).glob("*"))]
    for file in files:
        name = file.relative_to(root).as_posix()
        try:
            found = file.stat()
        except OSError as error:
            raise DataError(f"{path}: {one_line(name)} cannot be read: {error.strerror}; remove it") from None
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"{path}: {one_line(name)} is no file; remove it")
        _refuse_longer(found.st_size, name, path)
        yield name, read_bytes(file)


def _archive_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The same of a .tar.gz, read from front to back; nothing is written to disk.

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
                if number >= MOST_MEMBERS:
                    raise DataError(f"{path}: has more than {MOST_MEMBERS:,} members; {ARCHIVE_ADVICE}")
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts:
                    raise DataError(f"{path}: {member.name!r} leads out of the archive; {ARCHIVE_ADVICE}")
                if not (member.isreg() or member.isdir()):
                    raise DataError(f"{path}: {member.name!r} is neither a file nor a folder; {ARCHIVE_ADVICE}")
                inner = name.relative_to(ROOT).as_posix() if name.parts[:1] == (ROOT,) else ""
                if member.isreg() and re.match(r"(train|test)/(neg/|pos/|urls_(neg|pos)\.txt)", inner):
                    yield inner, _content(archive, member, path)
    except DataError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:  # the last: of a sparse file's map
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path} cannot be read as a .tar.gz ({reason}); {ARCHIVE_ADVICE}") from None


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    _refuse_longer(member.size, member.name, path)
    content = archive.extractfile(member)
    assert content is not None, "a regular file"
    return content.read()


def _refuse_longer(size: int, name: str, path: Path) -> None:
    if size > LONGEST_MEMBER:
        raise DataError(f"{path}: {name!r} has {size:,} bytes, which no review has; {ARCHIVE_ADVICE}")


class _ShortNamed(tarfile.TarInfo):
    """A member whose name or attributes are not megabytes long: tarfile would read them into memory whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in this block.

        Raises:
            tarfile.TarError: it is none, or announces an endless name.
        """
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDING and member.size > LONGEST_NAME:
            raise tarfile.ReadError(f"a member's name or attributes have {member.size:,} bytes")
        return member


class _Bounded(io.RawIOBase):
    """What is unpacked, up to a bound: a few megabytes can hold terabytes of zeros."""

    def __init__(self, unpacked: gzip.GzipFile, path: Path) -> None:
        self._unpacked, self._path, self._left = unpacked, path, LONGEST_ARCHIVE

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            DataError: there are too many.
        """
        if not 0 <= size <= self._left:
            raise DataError(
                f"{self._path} unpacks to more than {LONGEST_ARCHIVE / 2**30:.0f} GiB, where the official one has 0.5;"
                f" {ARCHIVE_ADVICE}"
            )
        content = self._unpacked.read(size)
        self._left -= len(content)
        return content


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), folder / PARSED_FILE)


def parsed_reviews(folder: Path) -> list[dict[str, Any]]:
    """The rows of a cache entry.

    Raises:
        ValueError, OSError: it is damaged.
    """
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(folder / PARSED_FILE).to_pylist()
    return rows
