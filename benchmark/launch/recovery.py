"""Recover from kills: runs and plans that a killed process left RUNNING become KILLED."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.tracking import tags
from benchmark.tracking.lock import hold_if_orphan
from benchmark.tracking.records import PLAN, REPRODUCTION, RUN, STUDY, TRIAL, Status
from benchmark.tracking.store import TrackingStore


def reconcile(store: TrackingStore, profile: str, say: Callable[[str], None], locks: Path) -> None:
    """Mark runs and plans as KILLED that say RUNNING though no process works on them, and delete half-logged models."""
    for kind in (RUN, REPRODUCTION, STUDY, TRIAL, PLAN):
        for run in store.runs(profile, kind, Status.RUNNING):
            with hold_if_orphan(run.lock, locks) as orphan:
                # The run was listed before its lock was probed, and may have ended in between.
                if not orphan or store.run(run.run_id).status is not Status.RUNNING:
                    continue
                if kind == PLAN:
                    store.close_plan(run.run_id, Status.KILLED)
                else:
                    record_killed(store, run.run_id, kind)
                    say(f"{run.name} (MLflow run {run.run_id}) was killed; marked as KILLED")


def record_killed(store: TrackingStore, run_id: str, kind: str) -> None:
    """Record that the run's process was killed."""
    tracker = store.reopen(run_id)
    if kind == TRIAL:
        tracker.set_tags({tags.STATE: "FAIL"})
    tracker.finish(Status.KILLED, "its process was killed")
