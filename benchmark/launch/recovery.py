"""How a run stands, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.lock import hold_if_free, local_lock
from benchmark.tracking.records import REPRODUCTION, RUN, STUDY, TRIAL, Status
from benchmark.tracking.store import TrackingStore

KILLED = "its process was killed"


def reconcile(store: TrackingStore, profile: str, workspace: Workspace, say: Callable[[str], None]) -> None:
    """Put right what a kill left behind, and only that: a run or plan at which a process is at work is not touched.

    Runs and plans that say RUNNING become KILLED, and a model that was being logged is removed.
    """
    for kind in (RUN, REPRODUCTION, STUDY, TRIAL):
        for run in store.runs(profile, kind):
            lock = local_lock(run.lock)
            if run.status is not Status.RUNNING or lock is None:
                continue
            with hold_if_free(lock) as free:
                # It was listed before its lock was looked at, and may have ended between the two.
                if free and store.run(run.run_id).status is Status.RUNNING:
                    store.delete_unfinished_models(run.run_id)
                    record_killed(store, run.run_id, kind)
                    say(f"{run.name} (MLflow run {run.run_id}) was killed; put right")
    for run_id, plan in store.open_plans(profile).items():
        with hold_if_free(workspace.lock(f"plan-{plan}")) as free:
            if free and run_id in store.open_plans(profile):
                store.close_plan(run_id, Status.KILLED)


def record_killed(store: TrackingStore, run_id: str, kind: str) -> None:
    """Record that the run's process was killed.

    Raises:
        TrackingError: there is no such run.
    """
    tracker = store.reopen(run_id)
    if kind == TRIAL:
        tracker.set_tags({tags.STATE: "FAIL"})
    tracker.finish(Status.KILLED, KILLED)
