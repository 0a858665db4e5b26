"""The worker process of one run: its peak memory is the run's, and what kills it does not kill the others."""

from __future__ import annotations

import gc
import signal
import sys
import time
from typing import Any

from benchmark.launch.failure import Failure
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, serve
from benchmark.output import say
from benchmark.tracking.client import TrackingError
from benchmark.tracking.records import RUN, Status


def main() -> int:
    """Do the run that standard input describes and return the exit status."""
    try:
        return serve(_run)
    except TrackingError as error:  # nothing can be recorded; the parent tries once more
        say(f"  {error}")
        return EXIT_FAILED


def _run(request: dict[str, Any]) -> int:
    # Here, where SIGTERM is handled: the imports take seconds.
    from benchmark.plan.plan import PlannedRun
    from benchmark.plan.workspace import Workspace
    from benchmark.tracking.store import TrackingStore
    from benchmark.training.device import resolve_device
    from benchmark.training.progress import Progress

    workspace = Workspace.from_json(request["workspace"])
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir, probe=False)
    tracker = store.reopen(request["run_id"])
    progress = Progress(sys.stderr)
    failure: Failure | None = None
    try:
        from benchmark.experiment.challenges import challenges_of, score_run
        from benchmark.experiment.run import run_experiment

        planned = PlannedRun.from_json(request["planned"])
        with tracker.system_metrics():
            outcome = run_experiment(planned, workspace, tracker, progress)
        progress.say(f"test/accuracy {100 * outcome.metrics['test/accuracy']:.2f} %")
        if planned.kind == RUN and planned.config.challenges:
            started = time.perf_counter()
            challenges = challenges_of(planned.config.challenges, workspace.place, outcome.corpus)
            scored = score_run(store, store.run(tracker.run_id), challenges, resolve_device(workspace.device), progress)
            for name, accuracy in scored.items():
                progress.say(f"challenge/{name}/accuracy {100 * accuracy:.2f} %")
            tracker.log_metrics({"challenges_seconds": time.perf_counter() - started})
        tracker.finish(Status.FINISHED)
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # while the interruption is being recorded
        store.stop_waiting()
        status, reason = Status.KILLED, "interrupted"
    except Exception as error:  # noqa: BLE001 - whatever ends a run is recorded, and the other runs go on
        failure = Failure.of(error, workspace.tracking_uri)
        status, reason = Status.FAILED, failure.reason
    else:
        workspace.drop_checkpoints(planned.identity)
        return EXIT_DONE
    # Only here are the exception's frames gone, and with them a write to the store that it broke off half-way,
    # which would hold the database's lock.
    gc.collect()
    try:
        if store.run(tracker.run_id).status is Status.RUNNING:  # an interruption may come right after the last write
            if failure is not None:
                failure.record(tracker, progress.say)
            tracker.finish(status, reason)
    except TrackingError:  # the parent tries once more, and reports what the store lacks
        progress.say(reason)
    return EXIT_INTERRUPTED if status is Status.KILLED else EXIT_FAILED
