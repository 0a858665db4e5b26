"""Locks that tell which process works on what; the kernel frees one when the last process that holds it dies."""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.startup import STDERR
from benchmark.tracking.records import RunRecord, Status

ID_FILE = "id"


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
    file = _open(path, os.O_RDWR | os.O_CREAT)
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
        file = _open(path, os.O_RDWR)  # an exclusive lock on NFS wants it open for writing
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
    """Return host, folder's id and file by which a run's record names its lock; give the folder an id if it has none.

    The id tells folders of one path apart, as two machines of one host name have them, and one that was made anew.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold(path.with_name(f"{ID_FILE}.lock")):
        file = path.with_name(ID_FILE)
        if not _read_id(file):
            file.write_text(uuid.uuid4().hex[:16], encoding="ascii")
        return f"{socket.gethostname()}/{_read_id(file)}:{path.resolve()}"


def local_lock(name: str, locks: Path) -> Path | None:
    """Return the file of a lock in a folder of this host, None for one of another host or folder.

    Args:
        name: as `lock_name` returned it.
        locks: the workspace's folder of locks, to which the one that the name says may have been moved since.
    """
    machine, _, path = name.partition(":")
    host, _, folder_id = machine.partition("/")
    if host != socket.gethostname() or not path:
        return None
    lock = Path(path)
    if not folder_id:  # an older version's: an absent file may be another machine's of this name
        return lock if lock.exists() else None
    places = (lock, locks / lock.name)
    return next((each for each in places if _read_id(each.with_name(ID_FILE)) == folder_id), None)


@contextmanager
def hold_if_orphan(name: str, locks: Path) -> Iterator[bool]:
    """Hold the lock that a record names during the block and yield True; yield False if a process may hold it."""
    lock = local_lock(name, locks)
    if lock is None:
        yield False
        return
    with hold_if_free(lock) as free:
        yield free


def is_orphan(run: RunRecord, locks: Path) -> bool:
    """Return whether the run says RUNNING and no process holds its lock; False where the lock is not on this host."""
    if run.status is not Status.RUNNING:
        return False
    with hold_if_orphan(run.lock, locks) as orphan:
        return orphan


def _read_id(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError:  # it is not there, or another user's
        return ""


def _open(path: Path, flags: int) -> int:
    """Open the file above the standard streams' descriptors, which the process of a user may have closed."""
    file = os.open(path, flags, 0o644)
    if file > STDERR:
        return file
    try:
        return fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, STDERR + 1)
    finally:
        os.close(file)


def _take(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
