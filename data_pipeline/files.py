"""Files of the user's, read whole or hashed; what cannot be read is told in one line. Imports no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_pipeline.checksums import sha256_of
from data_pipeline.errors import DataError


def is_file(path: Path) -> bool:
    """Whether there is such a file.

    Raises:
        DataError: nobody can tell: its name is longer than a file's can be, or its folder cannot be looked into.
    """
    with _told(path):
        return path.is_file()


def is_folder(path: Path) -> bool:
    """Whether there is such a folder.

    Raises:
        DataError: nobody can tell, as for a file.
    """
    with _told(path):
        return path.is_dir()


def read_bytes(path: Path) -> bytes:
    """The file's content.

    Raises:
        DataError: it cannot be read.
    """
    with _told(path):
        return path.read_bytes()


def file_sha256(path: Path) -> str:
    """The file's hash in hexadecimal; it is never held in memory whole.

    Raises:
        DataError: it cannot be read.
    """
    with _told(path):
        return sha256_of(path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the file and its permissions") from error
