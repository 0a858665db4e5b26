"""Run what is missing of a plan, one run after the other, each in a worker process."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from benchmark.launch.claim import Claim, Claims
from benchmark.launch.process import run_worker
from benchmark.launch.recovery import reconcile
from benchmark.output import spell_seconds
from benchmark.plan.plan import Plan, PlannedRun
from benchmark.plan.workspace import Workspace
from benchmark.tracking.challenges import scored_sets
from benchmark.tracking.client import TrackingError
from benchmark.tracking.lock import hold, lock_name, make_exclusive
from benchmark.tracking.records import REPRODUCTION, RunRecord, Status, best_run
from benchmark.tracking.store import TrackingStore

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """How many runs there were of each kind."""

    skipped: int
    finished: int
    failed: int


def run_plan(plan: Plan, names: Sequence[str], workspace: Workspace, say: Say, *, fresh: bool = False) -> PlanOutcome:
    """Run what is missing of the named experiments; the rest of the plan stays missing.

    With `fresh`, what is recorded of these runs is superseded, and they start over.

    Raises:
        TrackingError: the store cannot be opened, or failed on the way; finished runs stay.
        KeyboardInterrupt: interrupted; the current run is recorded as KILLED.
    """
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir)
    reconcile(store, plan.record.profile, say, workspace.locks)
    lock = workspace.lock(f"plan-{plan.record.fingerprint}")
    with hold(lock, shared=True) as plan_lock:
        with hold(workspace.lock("plans")):  # or two processes that begin at once would each create a parent run
            parent_id = store.open_plan(plan.record, plan.name, lock_name(lock))
        with suppress(KeyboardInterrupt):
            counts = _run_missing(plan, names, Claims(store, workspace, say, parent_id, fresh=fresh))
            _close(store, parent_id, plan_lock, _plan_status(store, plan, failed=counts[Status.FAILED] > 0))
            skipped = counts.pop("skipped", 0)
            return PlanOutcome(skipped, counts[Status.FINISHED], counts.total() - counts[Status.FINISHED])
        # Only here are the exception's frames gone, and with them a write to the store that it broke off half-way.
        gc.collect()
        store.stop_waiting()
        with suppress(TrackingError):  # the next start closes the plan
            _close(store, parent_id, plan_lock, Status.KILLED)
        raise KeyboardInterrupt


def run_again(planned: PlannedRun, original: RunRecord, workspace: Workspace, say: Say) -> RunRecord:
    """Do a recorded run once more from its beginning, as a new MLflow run nested in the original."""
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir)
    reconcile(store, planned.config.profile, say, workspace.locks)
    again = replace(planned, kind=REPRODUCTION)
    with Claims(store, workspace, say, original.run_id, fresh=True).claim(again) as run:
        _work(run, again, workspace)
    return run.record


def _work(run: Claim, planned: PlannedRun, workspace: Workspace) -> None:
    request = {"planned": planned.to_json(), "workspace": workspace.to_json(), "run_id": run.record.run_id}
    run.exit_status = run_worker("benchmark.launch.worker", request, [run.lock])


def _close(store: TrackingStore, parent_id: str, plan_lock: int, status: Status) -> None:
    if make_exclusive(plan_lock):  # otherwise another process still works on the plan, and closes it
        store.close_plan(parent_id, status)


def _run_missing(plan: Plan, names: Sequence[str], claims: Claims) -> Counter[str]:
    """Return how many of the named runs ended in which status, or were `skipped`."""
    wanted = [run for run in plan.runs if run.config.experiment_name in names]
    counts: Counter[str] = Counter()
    for position, planned in enumerate(wanted, start=1):
        title = f"[{position}/{len(wanted)}] {planned.config.name}"
        with claims.claim(planned) as run:
            if run.state == "finished":
                claims.say(
                    f"{title}: already finished (MLflow run {run.record.run_id}), skipped{_not_scored(planned, run)}"
                )
                counts["skipped"] += 1
                continue
            claims.say(title)
            started = time.monotonic()
            if run.state == "open":
                _work(run, planned, claims.workspace)
        counts[run.record.status] += 1
        ended = f"  {run.record.status.value.lower()} after {spell_seconds(time.monotonic() - started)}"
        claims.say(f"{ended}: {run.record.error}" if run.record.error else ended)
    return counts


def _not_scored(planned: PlannedRun, run: Claim) -> str:
    """Say which challenge sets a finished run lacks: they may have been chosen after it ended."""
    missing = [name for name in planned.config.challenges if name not in scored_sets(run.record)]
    if not missing:
        return ""
    config = planned.config
    return (
        f"; not scored on {', '.join(missing)}: `python -m benchmark evaluate {config.experiment_name} "
        f"--on {' '.join(missing)} --profile {config.profile}`"
    )


def _plan_status(store: TrackingStore, plan: Plan, *, failed: bool) -> Status:
    """Return FINISHED once every run of the plan is, SCHEDULED while some were not asked for yet."""
    if failed:
        return Status.FAILED
    runs = store.runs(plan.record.profile)
    best = [best_run(runs, planned.fingerprint, planned.config.seed) for planned in plan.runs]
    done = all(run is not None and run.status is Status.FINISHED for run in best)
    return Status.FINISHED if done else Status.SCHEDULED
