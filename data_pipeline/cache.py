"""Entries on disk that are made once: whole or not there at all, one writer at a time."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from data_pipeline.checksums import verify_checksums, write_checksums

logger = logging.getLogger(__name__)

DAMAGE = (ValueError, LookupError, TypeError, OSError, EOFError)  # what opening a damaged entry raises
UNFINISHED = ".unfinished"  # after the name of an entry that is being built

T = TypeVar("T")


def cached_entry(
    folder: Path, build: Callable[[Path], None], open_entry: Callable[[Path], T], *, goes_on: bool = False
) -> T:
    """Open the entry in `folder`; build it first if it is not there or is damaged.

    An entry is built in a folder beside its own and renamed when whole, so its presence means that it is complete. A
    process that dies while building leaves nothing that could be taken for an entry, and the kernel frees its lock. The
    files' hashes are kept with them and compared each time.

    Args:
        folder: the entry's own, named by a key that hashes everything the content depends on.
        build: writes the entry's files into the folder it is given.
        open_entry: reads them back; where they are not what this call needs it raises one of DAMAGE.
        goes_on: `build` can go on with what an interrupted one left in the folder, which is then kept for it.

    Returns:
        What `open_entry` returns.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if os.path.lexists(folder):
            try:
                return checked_entry(folder, open_entry)
            except DAMAGE as damage:
                logger.warning("cache entry %s is damaged (%s) and is built again", folder, damage)
                _remove(folder)
        unfinished = folder.with_name(f"{folder.name}{UNFINISHED}")
        if not goes_on or unfinished.is_symlink() or not unfinished.is_dir():
            _remove(unfinished)  # of a process that was killed; nobody else holds our lock
        unfinished.mkdir(exist_ok=True)
        try:
            build(unfinished)
            write_checksums(unfinished)
            os.replace(unfinished, folder)  # noqa: PTH105  the one rename that is atomic on every system
        except BaseException as end:
            if not (goes_on and isinstance(end, KeyboardInterrupt)):
                shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return open_entry(folder)


def checked_entry(folder: Path, open_entry: Callable[[Path], T]) -> T:
    """Open an entry whose files are those that were written.

    Raises:
        ValueError, LookupError, TypeError, OSError, EOFError: it is damaged.
    """
    verify_checksums(folder)
    return open_entry(folder)


def _remove(path: Path) -> None:
    """Remove whatever is there; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
