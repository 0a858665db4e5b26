"""Choose one of a profile's recorded plans, by the same rule for every command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.tracking.client import TrackingError
from benchmark.tracking.records import PlanEntry, PlanRecord, RunRecord, finished_runs

if TYPE_CHECKING:
    from benchmark.tracking.store import TrackingStore


@dataclass(frozen=True, slots=True)
class PlanState:
    """A plan, and its wanted and its finished runs by fingerprint and seed."""

    entry: PlanEntry
    wanted: frozenset[tuple[str, int]]
    finished: frozenset[tuple[str, int]]

    @property
    def complete(self) -> bool:
        """Whether every wanted run is finished."""
        return bool(self.wanted) and self.wanted == self.finished


def choose_plan(
    store: TrackingStore | None, profile: str, wanted: str | None = None
) -> tuple[PlanEntry, PlanRecord, list[RunRecord]]:
    """Return the wanted plan, else the complete one that was used last, else the one used last; and the profile's runs.

    Args:
        store: None: there is none.
        profile: whose plans are looked through.
        wanted: the plan's name, or the beginning of its fingerprint.

    Raises:
        TrackingError: the profile has no plan, or not exactly one fits, or the plan cannot be read.
    """
    plans = store.plans(profile) if store else []
    if store is None or not plans:
        raise TrackingError(
            f"no run of profile {profile!r} is recorded here; `python -m benchmark run all "
            f"--profile {profile}` makes them"
        )
    runs = store.runs(profile)
    if wanted is not None:
        entry = _named(plans, profile, wanted)
        return entry, store.plan(entry), runs
    first: PlanRecord | None = None
    for entry in plans:
        record = store.plan(entry)
        first = first or record
        if _state(entry, record, runs).complete:
            return entry, record, runs
    assert first is not None
    return plans[0], first, runs


def plan_states(store: TrackingStore, profile: str) -> list[PlanState]:
    """Return the profile's plans, the one used last first; a plan that cannot be read wants nothing."""
    runs, states = store.runs(profile), []
    for entry in store.plans(profile):
        try:
            states.append(_state(entry, store.plan(entry), runs))
        except TrackingError:
            states.append(PlanState(entry, frozenset(), frozenset()))
    return states


def _state(entry: PlanEntry, plan: PlanRecord, runs: Sequence[RunRecord]) -> PlanState:
    wanted = frozenset((row.fingerprint, seed) for row in plan.rows for seed in plan.seeds)
    return PlanState(entry, wanted, frozenset((run.fingerprint, run.seed) for run in finished_runs(plan, runs)))


def _named(plans: Sequence[PlanEntry], profile: str, wanted: str) -> PlanEntry:
    found = [plan for plan in plans if plan.name == wanted] or [
        plan for plan in plans if plan.fingerprint.startswith(wanted)
    ]
    if len(found) != 1:
        fit = f"fits {len(found)} plans ({', '.join(map(str, found[:3]))})" if found else "fits no plan"
        raise TrackingError(
            f"--plan {wanted}: {fit} of profile {profile!r}. `python -m benchmark list` shows them; name one"
        )
    return found[0]
