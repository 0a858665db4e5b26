"""Cache entries on disk: built once, complete or absent, one writer at a time."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from data_pipeline.files import verify_checksums, write_checksums

logger = logging.getLogger(__name__)

DAMAGE = (ValueError, LookupError, TypeError, OSError, EOFError)  # what opening a damaged entry raises
UNFINISHED = ".unfinished"  # after the name of an entry that is being built

T = TypeVar("T")


def cached_entry(
    folder: Path, build: Callable[[Path], None], open_entry: Callable[[Path], T], *, resumable: bool = False
) -> T:
    """Open the entry in `folder`; build it first if it is absent or damaged.

    An entry is built in a folder beside its own and renamed when complete, so its presence means that it is complete.
    The kernel frees the lock of a process that dies while building.

    Args:
        folder: named by a key that hashes everything the content depends on.
        build: writes the files into the folder it is given; if resumable, the same one again after an interruption.
        open_entry: reads the files back; raises one of DAMAGE where they are not what this call needs.
        resumable: see `build`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if os.path.lexists(folder):
            try:
                verify_checksums(folder)
                return open_entry(folder)
            except DAMAGE as damage:
                logger.warning("cache entry %s is damaged (%s) and is rebuilt", folder, damage)
                _remove(folder)
        unfinished = folder.with_name(f"{folder.name}{UNFINISHED}")
        if not resumable or unfinished.is_symlink() or not unfinished.is_dir():
            _remove(unfinished)  # of a process that was killed: this process holds the lock
        unfinished.mkdir(exist_ok=True)
        try:
            build(unfinished)
            write_checksums(unfinished)
            unfinished.replace(folder)
        except BaseException as error:
            if not (resumable and isinstance(error, KeyboardInterrupt)):
                shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return open_entry(folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
