"""The process of one run: its memory is its own, and what kills it does not kill the rest.

Started by suite.py as `python -m benchmark.child`, with one line of JSON on standard input. The pipe stays open: when
it closes the parent is gone, and the run ends as if interrupted.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from benchmark.tracking.client import TrackingError

if TYPE_CHECKING:
    from benchmark.records import Status
    from benchmark.tracking.tracker import Tracker

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
SIGNAL_SECONDS = 5.0  # a process that was told to end and is still there is told again


def main() -> int:
    """Do the run that standard input describes; returns the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        line = sys.stdin.readline()
        if not line:
            return EXIT_INTERRUPTED  # the parent was gone before it could ask
        threading.Thread(target=_end_with_parent, daemon=True).start()
        return _run(json.loads(line))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # before or after anything could be recorded; the parent writes down what is missing
    except TrackingError as error:  # nothing can be recorded; the parent tries once more
        sys.stderr.write(f"  {error}\n")
        return EXIT_FAILED


def _run(request: dict[str, Any]) -> int:
    from benchmark.plan import PlannedRun, Workspace
    from benchmark.progress import terminal_progress
    from benchmark.records import Status
    from benchmark.tracking.store import TrackingStore

    workspace = Workspace.from_json(request["workspace"])
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir, knock=False)
    tracker = store.reopen(request["run_id"])
    progress = terminal_progress()
    try:
        from benchmark.runner import run_experiment  # takes seconds, and what goes wrong there is recorded too

        planned = PlannedRun.from_json(request["planned"])
        with tracker.system_metrics():
            outcome = run_experiment(planned, workspace, tracker, progress)
        progress.say(f"test/accuracy {100 * outcome.metrics['test/accuracy']:.2f} %")
        tracker.finish(Status.FINISHED)
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the record is being written
        status, reason, traces = Status.KILLED, "interrupted", ""
        store.hurry()
    except Exception as error:  # noqa: BLE001 - whatever ends a run is recorded, and the other runs go on
        status, reason = Status.FAILED, f"{type(error).__name__}: {' '.join(str(error).split())}"
        traces = traceback.format_exc()
    else:
        shutil.rmtree(workspace.checkpoint_dir(planned.identity), ignore_errors=True)
        return EXIT_DONE
    # Only here are the exception's frames gone, and with them a write to the store that it broke off half-way,
    # which would hold the database's lock.
    gc.collect()
    try:
        if store.run(tracker.run_id).status is Status.RUNNING:  # an interruption may come right after the last write
            _record_end(tracker, status, reason, traces)
    except TrackingError:  # the parent tries once more, and tells what the store lacks
        progress.say(reason)
    return EXIT_INTERRUPTED if status is Status.KILLED else EXIT_FAILED


def _record_end(tracker: Tracker, status: Status, reason: str, traces: str) -> None:
    """How the run ended, and where it failed as an artifact."""
    if traces:
        with suppress(OSError, TrackingError), tempfile.TemporaryDirectory() as folder:
            Path(folder, "error.txt").write_text(traces, encoding="utf-8")
            tracker.log_artifacts(Path(folder))
    tracker.finish(status, reason)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    # Not sys.stdin.read(): a thread that waits inside its buffer can abort the interpreter's own exit.
    while os.read(sys.stdin.fileno(), 1):
        continue
    while True:  # an exception that is raised in a finalizer is lost, and the signal with it
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SIGNAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
