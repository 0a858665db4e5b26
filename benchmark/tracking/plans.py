"""Choose one of a profile's recorded plans, by the same rule for every command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.tracking.client import TrackingError
from benchmark.tracking.records import PlanEntry, PlanRecord, RunRecord, finished_runs

if TYPE_CHECKING:
    from benchmark.tracking.store import TrackingStore


@dataclass(frozen=True, slots=True)
class PlanState:
    """A plan, and its wanted and its finished runs by fingerprint and seed; `plan` is None if it cannot be read."""

    entry: PlanEntry
    plan: PlanRecord | None
    wanted: frozenset[tuple[str, int]] = frozenset()
    finished: frozenset[tuple[str, int]] = frozenset()

    @property
    def complete(self) -> bool:
        """Whether every wanted run is finished."""
        return bool(self.wanted) and self.wanted == self.finished


def choose_plan(
    store: TrackingStore | None, profile: str, wanted: str | None = None
) -> tuple[PlanEntry, PlanRecord, list[RunRecord]]:
    """Return the wanted plan, else the one of `default_plan`; and the profile's runs.

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
    chosen = default_plan(_states(store, plans, runs)) if wanted is None else None
    if chosen is not None and chosen.plan is not None:
        return chosen.entry, chosen.plan, runs
    entry = plans[0] if wanted is None else _named(plans, profile, wanted)
    return entry, store.plan(entry), runs


def default_plan(states: Iterable[PlanState]) -> PlanState | None:
    """Return the complete plan that was used last, else the one used last; None where no plan can be read."""
    first = None
    for state in states:
        if state.complete:
            return state
        if first is None and state.plan is not None:
            first = state
    return first


def plan_states(store: TrackingStore, profile: str, runs: Sequence[RunRecord]) -> list[PlanState]:
    """Return the profile's plans, the one used last first; `runs` are all of the profile."""
    return list(_states(store, store.plans(profile), runs))


def _states(store: TrackingStore, plans: Sequence[PlanEntry], runs: Sequence[RunRecord]) -> Iterator[PlanState]:
    for entry in plans:
        try:
            plan = store.plan(entry)
        except TrackingError:
            yield PlanState(entry, None)
            continue
        wanted = frozenset(plan.wanted)
        finished = frozenset((run.fingerprint, run.seed) for run in finished_runs(plan, runs))
        yield PlanState(entry, plan, wanted, finished)


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
