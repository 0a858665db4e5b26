"""The process of one run: its memory is its own, and what kills it does not kill the rest.

Started by suite.py as `python -m benchmark.child`, with one line of JSON on standard input. The pipe stays open: when
it closes the parent is gone, and the run ends as if interrupted.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from types import FrameType

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


def main() -> int:
    """Do the run that standard input describes; returns the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    line = sys.stdin.readline()
    if not line:
        return EXIT_INTERRUPTED  # the parent was gone before it could ask
    request = json.loads(line)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    from benchmark.plan import PlannedRun, Workspace
    from benchmark.progress import terminal_progress
    from benchmark.records import Status
    from benchmark.tracking import TrackingStore

    workspace = Workspace.from_json(request["workspace"])
    tracker = TrackingStore(workspace.tracking_uri, workspace.cache_dir).reopen(request["run_id"])
    progress = terminal_progress()
    try:
        from benchmark.runner import run_experiment  # takes seconds, and what goes wrong there is recorded too

        outcome = run_experiment(PlannedRun.from_json(request["planned"]), workspace, tracker, progress)
    except KeyboardInterrupt:
        tracker.finish(Status.KILLED, "interrupted")
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever ends a run is recorded, and the other runs go on
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
            tracker.log_artifacts(Path(folder))
        tracker.finish(Status.FAILED, reason)
        return EXIT_FAILED
    tracker.finish(Status.FINISHED)
    progress.say(f"test/accuracy {100 * outcome.metrics['test/accuracy']:.2f} %")
    return EXIT_DONE


def _interrupt(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the record is being written
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
