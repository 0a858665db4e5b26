"""Read and hash files; keep the hashes of a folder's files in the folder. Imports no torch."""

import hashlib
import importlib.util
from collections.abc import Callable, Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from data_pipeline.errors import DataError

SUMS_FILE = "SHA256SUMS"  # what `sha256sum --check` reads
LEFTOVERS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx")

T = TypeVar("T")


def try_read(path: Path, read: Callable[[Path], T]) -> T:
    """Return `read(path)`, such as `Path.read_bytes`, `Path.is_file` or `sha256_of`.

    Raises:
        DataError: the file cannot be read, or its folder cannot be searched.
    """
    try:
        return read(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path and its permissions.") from error


def verify_file(path: Path, sha256: str, fix: str) -> None:
    """Raise DataError, which ends in `fix`, unless the file is there and has the SHA-256."""
    found = try_read(path, sha256_of) if try_read(path, Path.is_file) else "no file"
    if found != sha256:
        raise DataError(f"{path}: has changed (sha256 {found}, expected {sha256}). {fix}")


def is_leftover(name: str) -> bool:
    """Return whether macOS, Windows or an editor left the file: it or a folder of it is hidden, a backup or theirs."""
    parts = [part.casefold() for part in PurePosixPath(name).parts]
    return any(part.startswith((".", "#")) or part.endswith("~") or part in LEFTOVERS for part in parts)


def package_folder(package: str, install: str) -> Path:
    """Find an installed package's folder without importing it, which may do work.

    Raises:
        DataError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DataError(f"package {package} is not installed. Run `{install}`.")
    return Path(spec.origin).parent


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal, read in chunks.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_lines(lines: Iterable[str]) -> str:
    """Return the SHA-256 of the lines in hexadecimal."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_checksums(folder: Path) -> None:
    """Write the hashes of the files in the folder into SHA256SUMS."""
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != SUMS_FILE]
    (folder / SUMS_FILE).write_text("".join(lines), encoding="utf-8")


def verify_checksums(folder: Path, needed: Collection[str] = ()) -> None:
    """Compare the files with the hashes that `write_checksums` wrote; `needed` names files that must be listed.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: a file, or the list of hashes, is damaged.
    """
    sums = dict(line.split("  ")[::-1] for line in (folder / SUMS_FILE).read_text(encoding="utf-8").splitlines())
    for name in {*needed, *sums}:
        if sums.get(name) != sha256_of(folder / name):
            raise ValueError(f"{name} is not what was written")
