"""How each run of a plan stands, and what the user can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from benchmark.config.schema import RunConfig, Suite
from benchmark.plan.plan import PlannedRun, make_plan
from benchmark.plan.workspace import Workspace
from benchmark.tracking.lock import is_orphan, local_lock
from benchmark.tracking.records import RunRecord, Status, best_run
from data_pipeline.encoder import EncoderNotHereError
from data_pipeline.errors import ReviewsNotHereError


@dataclass(frozen=True, slots=True)
class RunState:
    """One run of a suite and its state.

    Attributes:
        state: finished, running, failed, interrupted, missing or unknown.
        planned: None where reviews or encoder are not on this machine.
        record: None where nothing is recorded.
        sibling_seconds: mean time of the same run with other seeds, None where none is finished.
    """

    config: RunConfig
    state: str
    advice: str
    planned: PlannedRun | None = None
    record: RunRecord | None = None
    sibling_seconds: float | None = None


def run_states(suite: Suite, workspace: Workspace, known: Sequence[RunRecord]) -> list[RunState]:
    """Return the state of each run of the suite, in the order of its runs; nothing is downloaded to find out.

    `known` are the profile's recorded runs.
    """
    runs = suite.runs()
    try:
        planned = make_plan(suite, workspace, download=False).runs
    except ReviewsNotHereError:
        return [RunState(run, "unknown", f"`run {run.experiment_name}` fetches its reviews first") for run in runs]
    except EncoderNotHereError:
        if len(suite.experiments) == 1:
            return [RunState(run, "unknown", f"`run {run.experiment_name}` fetches its encoder first") for run in runs]
        # One by one: an encoder that is missing says nothing of the other experiments.
        by_name = {
            name: iter(run_states(replace(suite, experiments={name: config}), workspace, known))
            for name, config in suite.experiments.items()
        }
        return [next(by_name[run.experiment_name]) for run in runs]
    return [_planned_state(plan, known, workspace) for plan in planned]


def state_of(run: RunRecord | None, planned: PlannedRun, workspace: Workspace) -> tuple[str, str]:
    """Return the run's state in one word, and what the user can do."""
    from benchmark.training.checkpoint import last_step

    name = planned.config.experiment_name
    if run is None:
        return "missing", f"`run {name}` does it"
    if run.status is Status.FINISHED:
        return "finished", f"its model: {run.model}" if run.model else ""
    if run.status is Status.RUNNING and not is_orphan(run, workspace.locks):
        elsewhere = (
            ""
            if local_lock(run.lock, workspace.locks)
            else f" on another host or cache folder; if not, `run {name} --fresh`"
        )
        return "running", f"a process is at work on it{elsewhere} (lock {run.lock})"
    step = last_step(workspace.checkpoint_dir(planned.identity))
    advice = f"`run {name}` resumes after step {step}" if step else f"`run {name}` does it again"
    return ("failed", f"{run.error}; {advice}") if run.status is Status.FAILED else ("interrupted", advice)


def _planned_state(planned: PlannedRun, known: Sequence[RunRecord], workspace: Workspace) -> RunState:
    record = best_run(known, planned.fingerprint, planned.config.seed)
    siblings = [run for run in known if run.fingerprint == planned.fingerprint and run.status is Status.FINISHED]
    seconds = [run.metrics["total_seconds"] for run in siblings if "total_seconds" in run.metrics]
    state, advice = state_of(record, planned, workspace)
    return RunState(planned.config, state, advice, planned, record, fmean(seconds) if seconds else None)
