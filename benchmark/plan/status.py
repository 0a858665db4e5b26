"""How each run of a plan stands, and what the user can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.config.schema import RunConfig, Suite
from benchmark.plan.plan import PlannedRun, make_plan
from benchmark.plan.workspace import Workspace
from benchmark.tracking.lock import is_orphan
from benchmark.tracking.records import RunRecord, Status, best_run
from benchmark.tracking.store import TrackingStore
from data_pipeline.encoder import EncoderNotHereError
from data_pipeline.errors import ReviewsNotHereError


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


@dataclass(frozen=True, slots=True)
class Standing:
    """One run of a suite and how it stands.

    Attributes:
        config: its settings.
        state: a word.
        advice: what the user can do.
        planned: with its identity; None where reviews or encoder are not here.
        record: what is recorded of it, None where nothing is.
        sibling_seconds: what the same run took with another seed, None where none is finished.
    """

    config: RunConfig
    state: str
    advice: str
    planned: PlannedRun | None = None
    record: RunRecord | None = None
    sibling_seconds: float | None = None


def standings(suite: Suite, workspace: Workspace, store: TrackingStore | None) -> list[Standing]:
    """How each run of the suite stands, in the order of its runs; nothing is downloaded to find out."""
    return _standings(suite, workspace, store.runs(suite.profile) if store else [])


def _standings(suite: Suite, workspace: Workspace, known: Sequence[RunRecord]) -> list[Standing]:
    runs = suite.runs()
    try:
        planned = make_plan(suite, workspace, download=False).runs
    except ReviewsNotHereError:
        return [Standing(run, "unknown", f"`run {run.experiment_name}` fetches its reviews first") for run in runs]
    except EncoderNotHereError:
        if len(suite.experiments) == 1:
            return [Standing(run, "unknown", f"`run {run.experiment_name}` fetches its encoder first") for run in runs]
        # One by one: that an encoder is not here says nothing of the other experiments.
        by_name = {
            name: iter(_standings(replace(suite, experiments={name: config}), workspace, known))
            for name, config in suite.experiments.items()
        }
        return [next(by_name[run.experiment_name]) for run in runs]
    return [_standing(plan, known, workspace) for plan in planned]


def _standing(planned: PlannedRun, known: Sequence[RunRecord], workspace: Workspace) -> Standing:
    record = best_run(known, planned.fingerprint, planned.config.seed)
    state, advice = standing(record, planned, workspace)
    took = [
        run.metrics["total_seconds"]
        for run in known
        if run.fingerprint == planned.fingerprint and run.status is Status.FINISHED and "total_seconds" in run.metrics
    ]
    return Standing(planned.config, state, advice, planned, record, sum(took) / len(took) if took else None)
