"""A process of ours that computes: started, asked by one line of JSON, ended with the one that asked.

The pipe stays open: when it closes the parent is gone, and the child ends as if interrupted.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

SIGNAL_SECONDS = 5.0  # a process that was told to end and is still there is told again


def run_worker(module: str, request: Mapping[str, Any], locks: Sequence[int]) -> int:
    """Run `python -m MODULE`, whose `main` calls `serve`, to its end.

    Args:
        module: of ours.
        request: plain values.
        locks: open files of locks that the child holds too.

    Returns:
        Its exit status; negative: it ended by that signal.

    Raises:
        KeyboardInterrupt: interrupted; the child was told, and has ended.
    """
    # A group of its own: Ctrl-C reaches this process alone, which then ends the child by one SIGTERM.
    child = subprocess.Popen(  # noqa: S603  a module of ours
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        text=True,
        env=worker_environment(),
        process_group=0,
        pass_fds=locks,
    )
    try:
        assert child.stdin is not None
        with suppress(BrokenPipeError):  # it died at once; its exit status tells
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
        return child.wait()
    except KeyboardInterrupt:
        _end(child)
        raise


def describe_exit(code: int) -> str:
    """What to say of a child that ended with this status and could say nothing itself."""
    reason = f"the process ended by signal {-code}" if code < 0 else f"the process ended with status {code}"
    return f"{reason}; was the machine out of memory?" if code == -signal.SIGKILL else reason


def serve(task: Callable[[dict[str, Any]], int]) -> int:
    """In the child: do what is asked for; SIGTERM and the parent's end are a KeyboardInterrupt.

    Returns:
        The exit status that `task` gave.
    """
    reduce_garbage_collection()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        line = sys.stdin.readline()
        if not line:
            return EXIT_INTERRUPTED  # the parent was gone before it could ask
        threading.Thread(target=_end_with_parent, daemon=True).start()
        return task(json.loads(line))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # before or after anything could be recorded; the parent writes down what is missing


def ignore_termination() -> None:
    """Once is enough: what was interrupted is being written down."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    # Not sys.stdin.read(): a thread that waits inside its buffer can abort the interpreter's own exit.
    while os.read(sys.stdin.fileno(), 1):
        continue
    while True:  # an exception that is raised in a finalizer is lost, and the signal with it
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SIGNAL_SECONDS)


def _end(child: subprocess.Popen[str]) -> None:
    """Interrupt it and wait; it is told again, for an exception that is raised in a finalizer is lost."""
    while child.poll() is None:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(SIGNAL_SECONDS)


EXIT_DONE = 0
EXIT_FAILED = 1  # something ran and failed
EXIT_USAGE = 2  # bad input, told in one line
EXIT_INTERRUPTED = 130  # by Ctrl-C or SIGTERM, as shells have it


OBJECTS = 100_000  # Python's own number is 700, or 2,000


def reduce_garbage_collection() -> None:
    """Look for cycles of objects that nobody uses only when so many were made.

    The libraries make millions of objects while they load, none of them garbage: loading those of a run took 9.6 s,
    and takes 8.7.
    """
    gc.set_threshold(OBJECTS)


SETTINGS = {
    # glibc hands large blocks back to the kernel and gets them zeroed again, in each step: kept, an LSTM trains 485
    # reviews/s in place of 404 (batch 64, medians of three in turn).
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    # oneDNN keeps 1,024 compiled kernels, and each length of a batch wants its own: 64 are those of the last lengths,
    # and an LSTM's peak is 0.65 GiB in place of 1.3 after 6,400 reviews, and rising.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
}


def worker_environment() -> dict[str, str]:
    """This process's environment with the settings, of which those that the user has made stay."""
    return SETTINGS | os.environ
