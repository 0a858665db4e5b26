"""Locks that tell which process works on what; the kernel frees one when the last process that holds it dies."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.tracking.records import RunRecord, Status


@contextmanager
def hold(path: Path, *, shared: bool = False, on_wait: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold the lock during the block.

    Args:
        path: the lock's file; it stays when the lock is free, so that no process locks a deleted file.
        shared: with others who share the lock, instead of exclusively.
        on_wait: called once before waiting for another process that holds the lock.

    Yields:
        The open file. A child process that inherits it (`pass_fds`) holds the lock too, even after its parent's end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        if not _take(file, kind):
            on_wait()
            fcntl.flock(file, kind)
        yield file
    finally:
        os.close(file)


@contextmanager
def hold_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock during the block and yield True, or yield False if another process holds it."""
    try:
        file = os.open(path, os.O_RDWR)  # an exclusive lock on NFS wants it open for writing
    except FileNotFoundError:
        yield True
        return
    except PermissionError:
        yield False  # another user's, of whose processes we know nothing
        return
    try:
        yield _take(file, fcntl.LOCK_EX)
    finally:
        os.close(file)


def make_exclusive(file: int) -> bool:
    """Turn a shared lock into an exclusive one; return False if others still share it."""
    return _take(file, fcntl.LOCK_EX)


def lock_name(path: Path) -> str:
    """Return the host and file by which a run's record names its lock."""
    return f"{socket.gethostname()}:{path.resolve()}"


def local_lock(name: str) -> Path | None:
    """Return the file of a lock on this host, None for another host's."""
    host, _, path = name.partition(":")
    return Path(path) if host == socket.gethostname() and path else None


def is_orphan(run: RunRecord) -> bool:
    """Return whether the run says RUNNING and no process on this host holds its lock; False for other hosts' runs."""
    lock = local_lock(run.lock)
    if run.status is not Status.RUNNING or lock is None:
        return False
    with hold_if_free(lock) as free:
        return free


def _take(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
