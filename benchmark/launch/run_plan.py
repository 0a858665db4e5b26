"""A plan carried out: what is missing of it is done, one run after the other."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmark.launch.launcher import Launcher
from benchmark.launch.recovery import reconcile
from benchmark.output import spell_seconds
from benchmark.plan.plan import Plan
from benchmark.plan.workspace import Workspace
from benchmark.tracking.client import TrackingError
from benchmark.tracking.lock import hold, make_exclusive
from benchmark.tracking.records import Status, best_run
from benchmark.tracking.store import TrackingStore


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """How many runs there were of each kind."""

    skipped: int
    finished: int
    failed: int


def run_plan(
    plan: Plan, names: Sequence[str], workspace: Workspace, say: Callable[[str], None], *, fresh: bool = False
) -> PlanOutcome:
    """Do what is missing of the plan.

    Args:
        plan: the whole profile.
        names: experiments to do now; the rest of the plan stays missing.
        workspace: where state is kept.
        say: is given each line for the reader.
        fresh: set aside what is recorded of these runs, and start over.

    Raises:
        TrackingError: the store cannot be opened, or failed on the way; what is finished stays.
        KeyboardInterrupt: interrupted; the run at hand is recorded as KILLED.
    """
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir)
    reconcile(store, plan.record.profile, workspace, say)
    with hold(workspace.lock(f"plan-{plan.record.fingerprint}"), shared=True) as plan_lock:
        with hold(workspace.lock("plans")):  # one parent a plan, also when two processes begin at once
            parent_id = store.open_plan(plan.record)
        counts: Counter[str] | None = None
        try:
            counts = _run_missing(plan, names, Launcher(store, workspace, say, parent_id, fresh=fresh))
            status = _plan_status(store, plan, failed=counts[Status.FAILED] > 0)
        except KeyboardInterrupt:
            counts = None
        except BaseException:
            with suppress(TrackingError):  # it may be what failed; the next call closes the plan then
                _close(store, parent_id, plan_lock, Status.KILLED)
            raise
        if counts is None:
            # Only here are the exception's frames gone, and with them a write to the store that it broke off half-way.
            gc.collect()
            store.stop_waiting()
            with suppress(TrackingError):
                _close(store, parent_id, plan_lock, Status.KILLED)
            raise KeyboardInterrupt
        _close(store, parent_id, plan_lock, status)
    skipped = counts.pop("skipped", 0)
    return PlanOutcome(skipped, counts[Status.FINISHED], counts.total() - counts[Status.FINISHED])


def _close(store: TrackingStore, parent_id: str, plan_lock: int, status: Status) -> None:
    if make_exclusive(plan_lock):  # whoever is still at work on the plan closes it
        store.close_plan(parent_id, status)


def _run_missing(plan: Plan, names: Sequence[str], launcher: Launcher) -> Counter[str]:
    """How many of the named runs ended in which status, or were `skipped`."""
    wanted = [run for run in plan.runs if run.config.experiment_name in names]
    known = [] if launcher.fresh else launcher.store.runs(plan.record.profile)
    counts: Counter[str] = Counter()
    for position, planned in enumerate(wanted, start=1):
        title = f"[{position}/{len(wanted)}] {planned.config.name}"
        if len(plan.record.train_sizes) > 1:
            title += f", trained on {planned.config.data.train_size:,}"
        found = best_run(known, planned.fingerprint, planned.config.seed)
        if found is None or found.status is not Status.FINISHED:
            launcher.say(title)
            started = time.monotonic()
            ended = launcher.finish(planned)
            found = ended.run
            if not ended.was_finished:
                counts[found.status] += 1
                took = spell_seconds(time.monotonic() - started)
                launcher.say(f"  {found.status.value.lower()} after {took}{f': {found.error}' if found.error else ''}")
                continue
        launcher.adopt(planned, found)
        launcher.say(f"{title}: already finished (MLflow run {found.run_id}), skipped")
        counts["skipped"] += 1
    return counts


def _plan_status(store: TrackingStore, plan: Plan, *, failed: bool) -> Status:
    """FINISHED once every run of the plan is; SCHEDULED while some were not asked for yet."""
    if failed:
        return Status.FAILED
    runs = store.runs(plan.record.profile)
    best = [best_run(runs, planned.fingerprint, planned.config.seed) for planned in plan.runs]
    done = all(run is not None and run.status is Status.FINISHED for run in best)
    return Status.FINISHED if done else Status.SCHEDULED
