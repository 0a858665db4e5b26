"""Worker processes: started, sent one JSON request on stdin, stopped when the parent exits.

The pipe stays open: when it closes, the parent is gone and the worker ends as if interrupted.
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

from benchmark.startup import worker_command

EXIT_DONE = 0
EXIT_FAILED = 1  # something ran and failed
EXIT_USAGE = 2  # bad input, reported in one line
EXIT_INTERRUPTED = 130  # by Ctrl-C or SIGTERM, as shells report it

SIGNAL_SECONDS = 5.0  # between two SIGTERMs: an exception that is raised in a finalizer is lost, and the signal with it

SETTINGS = {
    # By default glibc returns large blocks to the kernel and gets them zeroed again, in each training step.
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    # By default oneDNN keeps 1,024 compiled kernels, one per length of a batch, and an LSTM's memory keeps growing.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
}


def worker_environment() -> dict[str, str]:
    """Return this process's environment with SETTINGS, of which those that the user has set stay."""
    return SETTINGS | os.environ


def reduce_garbage_collection() -> None:
    """Collect garbage rarely: the libraries create millions of objects while they load, none of them garbage."""
    gc.set_threshold(100_000)


def run_worker(module: str, request: Mapping[str, Any], locks: Sequence[int]) -> int:
    """Call the module's `main`, which calls `serve`, in a process; return its status, negative if a signal ended it.

    Args:
        module: one of ours.
        request: plain values.
        locks: open lock files that the worker holds too.

    Raises:
        KeyboardInterrupt: interrupted; the worker was interrupted too, and has ended.
    """
    worker = subprocess.Popen(  # noqa: S603  one of our modules
        worker_command(module),
        stdin=subprocess.PIPE,
        text=True,
        env=worker_environment(),
        process_group=0,  # Ctrl-C reaches this process alone, which then ends the worker by SIGTERM
        pass_fds=locks,
    )
    try:
        assert worker.stdin is not None
        with suppress(BrokenPipeError):  # it died at once; its exit status says why
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
        return worker.wait()
    except KeyboardInterrupt:
        while worker.poll() is None:
            worker.terminate()
            with suppress(subprocess.TimeoutExpired):
                worker.wait(SIGNAL_SECONDS)
        raise


def describe_exit(code: int) -> str:
    """Say how a worker ended that could not record it itself."""
    reason = f"the process ended by signal {-code}" if code < 0 else f"the process ended with status {code}"
    return f"{reason}; was the machine out of memory?" if code == -signal.SIGKILL else reason


def serve(task: Callable[[dict[str, Any]], int]) -> int:
    """Do the requested task in the worker and return the exit status.

    SIGTERM and the parent's end raise KeyboardInterrupt in the task.
    """
    reduce_garbage_collection()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        line = sys.stdin.readline()
        if not line:
            return EXIT_INTERRUPTED  # the parent exited before it sent the request
        threading.Thread(target=_end_with_parent, daemon=True).start()
        return task(json.loads(line))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # before or after the task could record anything; the parent records what is missing


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    # Not sys.stdin.read(): a thread that waits inside its buffer can abort the interpreter's own exit.
    while os.read(sys.stdin.fileno(), 1):
        continue
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SIGNAL_SECONDS)
