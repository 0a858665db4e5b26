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
import traceback
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.records import Status
    from benchmark.tracking.tracker import Tracker

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


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
        return EXIT_INTERRUPTED  # before anything could be recorded; the parent writes it down


def _run(request: dict[str, Any]) -> int:
    from benchmark.plan import PlannedRun, Workspace
    from benchmark.progress import terminal_progress
    from benchmark.records import Status
    from benchmark.tracking.store import TrackingStore

    workspace = Workspace.from_json(request["workspace"])
    tracker = TrackingStore(workspace.tracking_uri, workspace.cache_dir).reopen(request["run_id"])
    progress = terminal_progress()
    try:
        from benchmark.runner import run_experiment  # takes seconds, and what goes wrong there is recorded too

        planned = PlannedRun.from_json(request["planned"])
        with tracker.system_metrics():
            outcome = run_experiment(planned, workspace, tracker, progress)
        progress.say(f"test/accuracy {100 * outcome.metrics['test/accuracy']:.2f} %")
        tracker.finish(Status.FINISHED)
        shutil.rmtree(workspace.checkpoint_dir(planned.identity), ignore_errors=True)
        return EXIT_DONE
    except KeyboardInterrupt:
        status, reason, traces = Status.KILLED, "interrupted", ""
    except Exception as error:  # noqa: BLE001 - whatever ends a run is recorded, and the other runs go on
        status, reason = Status.FAILED, f"{type(error).__name__}: {' '.join(str(error).split())}"
        traces = traceback.format_exc()
    # Only here are the exception's frames gone, and with them a write to the store that it broke off half-way,
    # which would hold the database's lock.
    gc.collect()
    _record_end(tracker, status, reason, traces)
    return EXIT_INTERRUPTED if status is Status.KILLED else EXIT_FAILED


def _record_end(tracker: Tracker, status: Status, reason: str, traces: str) -> None:
    """How the run ended, and where it failed as an artifact."""
    if traces:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "error.txt").write_text(traces, encoding="utf-8")
            tracker.log_artifacts(Path(folder))
    tracker.finish(status, reason)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the record is being written
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    # Not sys.stdin.read(): a thread that waits inside its buffer can abort the interpreter's own exit.
    while os.read(sys.stdin.fileno(), 1):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
