"""A plan carried out: each missing run in a process of its own, one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmark.plan import Plan, PlannedRun, Workspace
from benchmark.progress import spell_seconds
from benchmark.records import Status, best_run
from benchmark.tracking import TrackingStore


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """How many runs there were of each kind."""

    skipped: int
    finished: int
    failed: int


def run_plan(plan: Plan, names: Sequence[str], workspace: Workspace, say: Callable[[str], None]) -> PlanOutcome:
    """Do what is missing of the plan.

    Args:
        plan: the whole profile.
        names: experiments to do now; the rest of the plan stays missing.
        workspace: where state is kept.
        say: is given each line for the reader.

    Raises:
        TrackingError: the store cannot be opened.
        KeyboardInterrupt: interrupted; the run at hand is recorded as KILLED.
    """
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir)
    parent_id = store.open_plan(plan.record)
    wanted = [run for run in plan.runs if run.config.experiment_name in names]
    known = store.runs(plan.record.profile)
    counts = dict.fromkeys(Status, 0)
    skipped = 0
    try:
        for position, planned in enumerate(wanted, start=1):
            title = f"[{position}/{len(wanted)}] {planned.config.name}"
            found = best_run(known, planned.fingerprint, planned.config.seed)
            if found is not None and found.status is Status.FINISHED:
                say(f"{title}: already finished (MLflow run {found.run_id}), skipped")
                skipped += 1
                continue
            say(title)
            started = time.monotonic()
            status, error = _run_in_child(planned, workspace, store, parent_id)
            counts[status] += 1
            took = spell_seconds(time.monotonic() - started)
            say(f"  {status.value.lower()} after {took}" + (f": {error}" if error else ""))
    except KeyboardInterrupt:
        store.close_plan(parent_id, Status.KILLED)
        raise
    store.close_plan(parent_id, _plan_status(store, plan, counts[Status.FAILED]))
    return PlanOutcome(skipped, counts[Status.FINISHED], counts[Status.FAILED] + counts[Status.KILLED])


def _run_in_child(
    planned: PlannedRun, workspace: Workspace, store: TrackingStore, parent_id: str
) -> tuple[Status, str]:
    """Do one run in a process of its own; how it ended, and why where it did not finish."""
    config = planned.config
    tracker = store.start_run(
        config.profile,
        parent_id,
        config.name,
        experiment=config.experiment_name,
        seed=config.seed,
        fingerprint=planned.fingerprint,
        note=_note(planned),
    )
    request = {"planned": planned.to_json(), "workspace": workspace.to_json(), "run_id": tracker.run_id}
    # A group of its own: Ctrl-C reaches this process alone, which then ends the child by one SIGTERM.
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmark.child"], stdin=subprocess.PIPE, text=True, process_group=0
    )
    try:
        assert child.stdin is not None
        with suppress(BrokenPipeError):  # it died at once; its exit status tells
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
        code = child.wait()
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        _end_if_running(store, tracker.run_id, config.profile, Status.KILLED, "interrupted")
        raise
    reason = f"the process ended by signal {-code}" if code < 0 else f"the process ended with status {code}"
    if code == -9:
        reason += "; was the machine out of memory?"
    return _end_if_running(store, tracker.run_id, config.profile, Status.FAILED, reason)


def _end_if_running(store: TrackingStore, run_id: str, profile: str, status: Status, reason: str) -> tuple[Status, str]:
    """How the run stands; where its process could not say, `status` and `reason` are written for it."""
    record = next(run for run in store.runs(profile) if run.run_id == run_id)
    if record.status is not Status.RUNNING:
        return record.status, record.error
    store.reopen(run_id).finish(status, reason)
    return status, reason


def _plan_status(store: TrackingStore, plan: Plan, failed: int) -> Status:
    """FINISHED once every run of the plan is; SCHEDULED while some were not asked for yet."""
    if failed:
        return Status.FAILED
    runs = store.runs(plan.record.profile)
    best = [best_run(runs, planned.fingerprint, planned.config.seed) for planned in plan.runs]
    done = all(run is not None and run.status is Status.FINISHED for run in best)
    return Status.FINISHED if done else Status.SCHEDULED


def _note(planned: PlannedRun) -> str:
    """One paragraph for a visitor of the MLflow UI."""
    experiment, data = planned.config.experiment, planned.config.data
    return (
        f"{planned.config.experiment_name} trained on {data.train_size:,} reviews for at most "
        f"{experiment.training.epochs} epochs; the epoch of lowest val/loss ({data.val_size:,} reviews) is scored once "
        f"on {data.test_size:,} test reviews. Losses are cross-entropy in nats; accuracy, F1 and ROC-AUC go from 0 to "
        "1. Artifacts: predictions.parquet, learning_curve.png, confusion_matrix.png, config.yaml, environment.json."
    )
