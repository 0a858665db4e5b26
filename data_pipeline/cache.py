"""Entries on disk that are made once: whole or not there at all, one writer at a time."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

logger = logging.getLogger(__name__)

T = TypeVar("T")


def cached_entry(
    folder: Path, build: Callable[[Path], None], open_entry: Callable[[Path], T], *, goes_on: bool = False
) -> T:
    """Open the entry in `folder`; build it first if it is not there or is damaged.

    An entry is built in a folder beside its own and renamed when whole, so its presence means that it is complete. A
    process that dies while building leaves nothing that could be taken for an entry, and the kernel frees its lock.

    Args:
        folder: the entry's own, named by a key that hashes everything the content depends on.
        build: writes the entry's files into the folder it is given.
        open_entry: reads them back; where they are damaged it raises ValueError, LookupError, TypeError, OSError or
            EOFError.
        goes_on: `build` can go on with what an interrupted one left in the folder, which is then kept for it.

    Returns:
        What `open_entry` returns.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if folder.exists():
            try:
                return open_entry(folder)
            except (ValueError, LookupError, TypeError, OSError, EOFError) as damage:
                logger.warning("cache entry %s is damaged (%s) and is built again", folder, damage)
                shutil.rmtree(folder)
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        if not goes_on:
            shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed; nobody else holds our lock
        unfinished.mkdir(exist_ok=True)
        try:
            build(unfinished)
            os.replace(unfinished, folder)  # noqa: PTH105  the one rename that is atomic on every system
        except BaseException as end:
            if not (goes_on and isinstance(end, KeyboardInterrupt)):
                shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return open_entry(folder)
