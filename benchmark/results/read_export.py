"""Read the results out of folders that `export` wrote, and merge those of several."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmark.results.export import (
    AGAIN,
    EXPORT_VERSION,
    MANIFEST,
    PLAN,
    RUNS,
    SPEEDS,
    ExportError,
    Manifest,
    read_json,
    read_manifest,
)
from benchmark.results.export_files import ExportFiles
from benchmark.results.read import read_predictions, with_challenges
from benchmark.results.results import PlanResults, join_runs
from benchmark.tracking.records import PREDICTIONS_FILE, PlanEntry, PlanRecord, RunRecord, finished_runs
from benchmark.tracking.speed import Throughput
from data_pipeline.errors import one_line
from data_pipeline.files import sha256_of


def read_export(folder: Path) -> tuple[PlanResults, ExportFiles]:
    """Read the results out of a folder that `write_export` made, of this version or of an older one.

    Raises:
        ExportError: it is no export, or a file of it is missing, changed or damaged.
        ResultsError: records contradict each other.
        TrackingError: predictions cannot be read.
    """
    manifest = read_manifest(folder)
    _check(folder, manifest)
    plan, runs = read_json(folder / PLAN, PlanRecord), read_json(folder / RUNS, list[RunRecord])
    for run in finished_runs(plan, runs):
        name = f"runs/{run.run_id}/{PREDICTIONS_FILE}"
        if name not in manifest.files:
            raise ExportError(f"{folder}: has no file {one_line(name)[:80]}; {AGAIN}")
    files = ExportFiles({run.run_id: folder for run in runs})
    speeds = read_json(folder / SPEEDS, dict[str, Throughput])
    entry = PlanEntry("", manifest.plan, plan.fingerprint)
    results = join_runs(plan, runs, speeds, partial(read_predictions, files), entry)
    return with_challenges(results, files), files


def _check(folder: Path, manifest: Manifest) -> None:
    """Raise ExportError unless each file has the hash that the manifest gives."""
    if not 1 <= manifest.export_version <= EXPORT_VERSION:
        found = f"got {manifest.export_version}, expected {EXPORT_VERSION}"
        raise ExportError(f"{folder}: an export of another version ({found}); {AGAIN}")
    for name in (PLAN, RUNS, SPEEDS, *manifest.files):
        path = folder / name
        if name not in manifest.files or ".." in Path(name).parts or Path(name).is_absolute():
            raise ExportError(f"{folder}: {MANIFEST} is damaged at {one_line(name)[:80]}; {AGAIN}")
        try:
            same = sha256_of(path) == manifest.files[name]
        except OSError:
            raise ExportError(f"{path}: missing; {AGAIN}") from None
        if not same:
            raise ExportError(f"{path}: changed since it was exported; {AGAIN}")
