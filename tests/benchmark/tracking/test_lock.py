"""Locks: who holds one, who waits, and that the kernel frees what a dead process held."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.tracking.lock import hold, hold_if_free, hold_if_orphan, local_lock, lock_name, make_exclusive

HOLDER = """
import sys
from pathlib import Path
from benchmark.tracking.lock import hold
with hold(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "locks" / "run.lock"


@pytest.fixture
def start_holder(path):
    """`start_holder()` is another process that holds the lock until its standard input closes or it is killed."""
    started = []

    def start(kind: str = "alone") -> subprocess.Popen[str]:
        command, pipe = [sys.executable, "-c", HOLDER, str(path), kind], subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[3])
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_free(path: Path) -> bool:
    with hold_if_free(path) as free:
        return free


def test_of_another_users_lock_nobody_can_tell_that_it_is_free(path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    with monkeypatch.context() as forbidden:
        forbidden.setattr(os, "open", refuse)
        assert not is_free(path)


def test_a_lock_is_free_before_it_is_made_taken_while_it_is_held_and_free_afterwards(path):
    assert is_free(path)
    assert not path.exists()
    with hold(path):
        assert not is_free(path)
    assert is_free(path)


def test_another_process_sees_it_until_the_kernel_frees_what_a_killed_process_held(path, start_holder):
    holder = start_holder()
    assert not is_free(path)
    holder.kill()
    holder.wait()
    assert is_free(path)


def test_who_wants_a_held_lock_says_so_and_waits(path, start_holder):
    holder = start_holder()
    waited = []

    def on_wait() -> None:
        waited.append(holder.poll())
        holder.kill()

    with hold(path, on_wait=on_wait):
        assert waited == [None]


def test_a_child_that_inherits_it_holds_it_past_its_parents_end(path):
    with hold(path) as file:
        command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[file])
    assert not is_free(path)
    child.communicate()
    assert is_free(path)


def test_those_who_share_a_lock_do_not_wait_for_each_other(path, start_holder):
    other = start_holder("shared")
    with hold(path, shared=True, on_wait=lambda: pytest.fail("waits")) as file:
        assert not make_exclusive(file)
        other.communicate()
        assert make_exclusive(file)


def test_a_lock_is_known_by_host_folder_and_file(path, monkeypatch):
    name = lock_name(path)
    assert lock_name(path) == name
    assert local_lock(name, path.parent) == path.resolve()
    assert [local_lock(each, path.parent) for each in (f"another-host:{path}", "", "nonsense")] == [None] * 3
    with hold_if_orphan(name, path.parent) as orphan:
        assert orphan  # the folder is known, and in it nothing holds a lock that is not there
    with hold(path), hold_if_orphan(name, path.parent) as orphan:
        assert not orphan
    monkeypatch.setattr("socket.gethostname", lambda: "another-host")
    assert local_lock(name, path.parent) is None


def test_a_folder_that_was_made_anew_is_another(path):
    """So is a second machine's of that host name and path: its lock is not there, and not free."""
    name = lock_name(path)
    shutil.rmtree(path.parent)
    for found in (None, lock_name(path)):
        with hold_if_orphan(name, path.parent) as orphan:
            assert not orphan
        assert found != name


def test_a_name_that_an_older_version_recorded_is_that_file_where_there_is_one(path):
    name = f"{socket.gethostname()}:{path}"
    assert local_lock(name, path.parent) is None
    with hold(path), hold_if_orphan(name, path.parent) as orphan:
        assert not orphan
    with hold_if_orphan(name, path.parent) as orphan:
        assert orphan
