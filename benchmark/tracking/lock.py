"""Who is at work on what: locks that the kernel frees when the last process that holds one dies."""

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
    """Hold the lock while what is inside goes on.

    Args:
        path: the lock's file; it stays when the lock is free, so that nobody locks a file that is gone.
        shared: together with others who share it, or alone.
        on_wait: called once when another process holds it, before waiting for that one.

    Yields:
        The open file. A child process that inherits it (`pass_fds`) holds the lock too, even past its parent's end.
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
    """Hold the lock while what is inside goes on, or say False where another process holds it."""
    try:
        file = os.open(path, os.O_RDWR)  # an exclusive lock on NFS wants it open for writing
    except FileNotFoundError:
        yield True  # nobody holds a lock that was never made
        return
    except PermissionError:
        yield False  # another user's, of whose processes we know nothing
        return
    try:
        yield _take(file, fcntl.LOCK_EX)
    finally:
        os.close(file)


def make_exclusive(file: int) -> bool:
    """Turn a shared lock into one held alone; False where others share it still."""
    return _take(file, fcntl.LOCK_EX)


def lock_name(path: Path) -> str:
    """What a record says of its lock: host and file."""
    return f"{socket.gethostname()}:{path.resolve()}"


def local_lock(name: str) -> Path | None:
    """The file of a lock on this host, or None where it is on another."""
    host, _, path = name.partition(":")
    return Path(path) if host == socket.gethostname() and path else None


def _take(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_orphan(run: RunRecord) -> bool:
    """The run says RUNNING, and on this host no process holds its lock. Of other hosts nobody can tell."""
    lock = local_lock(run.lock)
    if run.status is not Status.RUNNING or lock is None:
        return False
    with hold_if_free(lock) as free:
        return free
