"""How a run stands, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.plan import PlannedRun, Workspace
from benchmark.tracking import tags
from benchmark.tracking.lock import hold_if_free, is_orphan, local_lock
from benchmark.tracking.records import REPRODUCTION, RUN, STUDY, TRIAL, RunRecord, Status
from benchmark.tracking.store import TrackingStore

KILLED = "its process was killed"


def standing(run: RunRecord | None, planned: PlannedRun, workspace: Workspace) -> tuple[str, str]:
    """A word for how the run stands, and what the user can do.

    Args:
        run: its record, or None where there is none.
        planned: the run.
        workspace: where its checkpoints are.
    """
    from benchmark.training.checkpoint import last_step

    name = planned.config.experiment_name
    if run is None:
        return "missing", f"`run {name}` does it"
    if run.status is Status.FINISHED:
        return "finished", ""
    if run.status is Status.RUNNING and not is_orphan(run):
        return "running", f"a process is at work on it (lock {run.lock})"
    step = last_step(workspace.checkpoint_dir(planned.identity))
    advice = f"`run {name}` goes on after step {step}" if step else f"`run {name}` does it again"
    if run.status is Status.FAILED:
        return "failed", f"{run.error}; {advice}"
    return "interrupted", advice


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
                    store.drop_pending_models(run.run_id)
                    end_killed(store, run.run_id, kind)
                    say(f"{run.name} (MLflow run {run.run_id}) was killed; put right")
    for run_id, plan in store.open_plans(profile).items():
        with hold_if_free(workspace.lock(f"plan-{plan}")) as free:
            if free and run_id in store.open_plans(profile):
                store.close_plan(run_id, Status.KILLED)


def end_killed(store: TrackingStore, run_id: str, kind: str) -> None:
    """Record that the run's process was killed.

    Raises:
        TrackingError: there is no such run.
    """
    tracker = store.reopen(run_id)
    if kind == TRIAL:
        tracker.set_tags({tags.STATE: "FAIL"})
    tracker.finish(Status.KILLED, KILLED)
