"""Recover from kills: runs and plans that a killed process left RUNNING become KILLED."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.lock import hold_if_free, local_lock
from benchmark.tracking.records import REPRODUCTION, RUN, STUDY, TRIAL, Status
from benchmark.tracking.store import TrackingStore


def reconcile(store: TrackingStore, profile: str, workspace: Workspace, say: Callable[[str], None]) -> None:
    """Mark runs and plans as KILLED that say RUNNING though no process works on them, and delete half-logged models."""
    for kind in (RUN, REPRODUCTION, STUDY, TRIAL):
        for run in store.runs(profile, kind):
            lock = local_lock(run.lock)
            if run.status is not Status.RUNNING or lock is None:
                continue
            with hold_if_free(lock) as free:
                # The run was listed before its lock was probed, and may have ended in between.
                if free and store.run(run.run_id).status is Status.RUNNING:
                    record_killed(store, run.run_id, kind)
                    say(f"{run.name} (MLflow run {run.run_id}) was killed; marked as KILLED")
    for run_id, plan in store.open_plans(profile).items():
        with hold_if_free(workspace.lock(f"plan-{plan}")) as free:
            if free and run_id in store.open_plans(profile):
                store.close_plan(run_id, Status.KILLED)


def record_killed(store: TrackingStore, run_id: str, kind: str) -> None:
    """Record that the run's process was killed."""
    tracker = store.reopen(run_id)
    if kind == TRIAL:
        tracker.set_tags({tags.STATE: "FAIL"})
    tracker.finish(Status.KILLED, "its process was killed")
