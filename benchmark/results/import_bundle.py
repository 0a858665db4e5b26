"""Put the runs of a folder that `export` wrote into the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmark.results.compare import different_result
from benchmark.results.export import MANIFEST, ExportError, public_tags
from benchmark.results.export_files import ExportFiles
from benchmark.results.read import files_of, read_predictions
from benchmark.results.read_export import read_export
from benchmark.results.results import PlanResults, RecordedRun
from benchmark.tracking import tags
from benchmark.tracking.challenges import info_file, predictions_file, scored_sets
from benchmark.tracking.lock import hold, lock_name, make_exclusive
from benchmark.tracking.records import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    EXPLANATIONS_FILE,
    EXTERNAL,
    PREDICTIONS_FILE,
    RUN,
    RunRecord,
    Status,
    finished_runs,
)
from data_pipeline.files import sha256_of

if TYPE_CHECKING:
    from benchmark.tracking.store import TrackingStore


def import_bundle(store: TrackingStore, folder: Path, lock: Callable[[str], Path], say: Callable[[str], None]) -> int:
    """Record the plan of an export and its finished runs; the next import completes one that was killed.

    What `throughput` measured is not imported: it holds on another machine.

    Args:
        store: to record in.
        folder: that `export` wrote.
        lock: returns the file of the lock of this name.
        say: receives one line per run.

    Returns:
        How many runs were not there.

    Raises:
        ExportError: it is no export, it is damaged, or a run is here with another result; nothing is recorded.
        ResultsError: records contradict each other.
        TrackingError: the store cannot be read or written.
    """
    results, files = read_export(folder)
    runs = finished_runs(results.plan, results.runs)
    plan = replace(results.plan, rows=tuple(row for row in results.plan.rows if not row.external))
    bundle, plan_lock = f"{folder.resolve().name} {sha256_of(folder / MANIFEST)}", lock(f"plan-{plan.fingerprint}")
    with hold(lock("import"), on_wait=lambda: say("another import is at work; waiting")):
        here = [run for kind in (RUN, EXTERNAL) for run in store.runs(plan.profile, kind, Status.FINISHED)]
        new = [run for run in runs if not _is_here(store, here, files, run, folder)]
        _end_killed(store, plan.profile)
        with hold(plan_lock, shared=True) as held:
            with hold(lock("plans")):
                parent = store.open_plan(plan, results.entry.name, lock_name(plan_lock))
            for run in runs:
                if run in new:
                    labels = {tags.PARENT: parent, tags.IMPORTED: f"{bundle} {run.run_id}"}
                    _record(store, results, files, run, labels)
                say(f"{run.name}: {'imported' if run in new else 'already here, skipped'}{_not_taken(here, run, new)}")
            if make_exclusive(held):  # otherwise another process works on the plan, and closes it
                done = len(finished_runs(plan, store.runs(plan.profile))) == len(plan.wanted)
                store.close_plan(parent, Status.FINISHED if done else Status.SCHEDULED)
    return len(new)


def _is_here(store: TrackingStore, here: Sequence[RunRecord], files: ExportFiles, run: RunRecord, folder: Path) -> bool:
    """Return whether the run is among those that are here; raise ExportError where its result is another."""
    found = next((each for each in here if _same_identity(each, run)), None)
    if found is None:
        return False
    with files_of(store) as own:
        a = RecordedRun(found, predictions=read_predictions(own, found).set_index("id"))
    b = RecordedRun(run, predictions=read_predictions(files, run).set_index("id"))
    if (difference := different_result(a, b)) is not None:
        raise ExportError(
            f"{folder}: {run.name} is here with another result ({difference}; MLflow run {found.run_id}). "
            "Import it into another store by `--tracking-uri`."
        )
    return True


def _not_taken(here: Sequence[RunRecord], run: RunRecord, new: Sequence[RunRecord]) -> str:
    """Say which challenge sets the bundle's run was scored on, and the one that is here was not."""
    own = next((each for each in here if run not in new and _same_identity(each, run)), None)
    lacking = [name for name in scored_sets(run) if own is not None and name not in scored_sets(own)]
    return f"; not taken over: its scores on {', '.join(lacking)}" if lacking else ""


def _same_identity(one: RunRecord, other: RunRecord) -> bool:
    """Return whether both are the same run; predictions of another system are known by their name and reviews."""
    if one.external:
        return (one.experiment, one.tags.get(tags.TEST_PART)) == (other.experiment, other.tags.get(tags.TEST_PART))
    return (one.fingerprint, one.seed) == (other.fingerprint, other.seed)


def _end_killed(store: TrackingStore, profile: str) -> None:
    """Close what a killed import left open; it counts as superseded from its beginning on."""
    for run in store.runs(profile, tags.SUPERSEDED, Status.RUNNING):
        if tags.IMPORTED in run.tags:
            store.reopen(run.run_id).finish(Status.KILLED, "its import was killed")


def _record(
    store: TrackingStore, results: PlanResults, files: ExportFiles, run: RunRecord, labels: Mapping[str, str]
) -> None:
    """Record the run under a kind that does not count, and write its kind last: a kill leaves no half run."""
    origin = tags.origin_tags("import")
    own = {**public_tags(run), **origin, **labels, tags.LOCK: "", tags.KIND: tags.SUPERSEDED}
    tracker = store.start_run(results.plan.profile, run.name, own)
    tracker.log_params(run.params)
    histories = files.histories(run)
    for step in sorted({step for values in histories.values() for step in values}):
        tracker.log_metrics({name: values[step] for name, values in histories.items() if step in values}, step)
    tracker.log_metrics({name: value for name, value in run.metrics.items() if name not in histories})
    with TemporaryDirectory() as name:
        _write_files(results, files, run, Path(name))
        tracker.log_artifacts(Path(name))
    tracker.finish(Status.FINISHED)
    tracker.set_tags({tags.KIND: run.tags[tags.KIND]})


def _write_files(results: PlanResults, files: ExportFiles, run: RunRecord, folder: Path) -> None:
    """Write the run's files as a run logs them."""
    scored = [challenge.name for challenge in results.challenges if run.run_id in challenge.logits]
    for name in (CONFIG_FILE, ENVIRONMENT_FILE, EXPLANATIONS_FILE, *map(info_file, scored)):
        source, target = files.path(run, name), folder / name
        if source.is_file():
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
    for name in (PREDICTIONS_FILE, *map(predictions_file, scored)):
        files.table(run, name).to_parquet(folder / name, index=False)
