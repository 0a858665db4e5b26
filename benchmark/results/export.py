"""Write a plan's results to a folder that can be taken elsewhere, and read them back; no review's text is in it.

manifest.json, written last, names every file with its hash; beside it are plan.json, runs.json and speeds.json, and one
folder per finished run with config.yaml, environment.json, histories.json (metrics by epoch), predictions.parquet and,
where `explain` has been called, explanations.json.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from benchmark.output import write_folder
from benchmark.results.read import HISTORIES_FILE, ExportFiles, files_of, read_predictions, with_challenges
from benchmark.results.results import PlanResults, join_runs
from benchmark.tracking import tags
from benchmark.tracking.explanations import read_explanations
from benchmark.tracking.records import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    EXPLANATIONS_FILE,
    PREDICTIONS_FILE,
    PlanEntry,
    PlanRecord,
    RunRecord,
    finished_runs,
)
from benchmark.tracking.speed import Throughput
from data_pipeline.errors import InputError, one_line
from data_pipeline.files import sha256_of

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.tracking.store import TrackingStore

EXPORT_VERSION = 1
MANIFEST, PLAN, RUNS, SPEEDS = "manifest.json", "plan.json", "runs.json", "speeds.json"
PRIVATE = (tags.USER, tags.LOCK, tags.SOURCE, tags.PARENT, tags.REQUEST, tags.NOTE)  # of this machine or its user
_AGAIN = "`python -m benchmark export DIR` makes a new one"


class ExportError(InputError):
    """A folder that is no export, or a damaged one."""


class _Manifest(BaseModel):
    export_version: int
    files: dict[str, str]
    plan: str = ""


def write_export(store: TrackingStore, results: PlanResults, folder: Path) -> None:
    """Write the results, which were read from the store, to a new or empty folder: whole or not at all.

    Raises:
        OutputError: it cannot be written, or holds something.
        TrackingError: a run's file cannot be read.
    """
    write_folder(folder, partial(_write_files, store, results))


def read_export(folder: Path) -> PlanResults:
    """Read the results out of a folder that `write_export` made.

    Raises:
        ExportError: it is no export of this version, or a file of it is missing, changed or damaged.
        ResultsError: records contradict each other.
        TrackingError: predictions cannot be read.
    """
    manifest = _check(folder)
    plan = _read(folder / PLAN, PlanRecord)

    def predictions(run: RunRecord) -> pd.DataFrame:
        name = f"runs/{run.run_id}/{PREDICTIONS_FILE}"
        if name not in manifest.files:
            raise ExportError(f"{folder}: has no file {one_line(name)[:80]}; {_AGAIN}")
        return read_predictions(ExportFiles(folder), run)

    runs, speeds = _read(folder / RUNS, list[RunRecord]), _read(folder / SPEEDS, dict[str, Throughput])
    results = join_runs(plan, runs, speeds, predictions, PlanEntry("", manifest.plan, plan.fingerprint))
    return with_challenges(results, ExportFiles(folder))


def _write_files(store: TrackingStore, results: PlanResults, folder: Path) -> None:
    rows = results.plan.rows
    runs = [run for row in rows for run in results.of(row) if run is not None]
    public = [
        replace(run, tags={k: v for k, v in run.tags.items() if k not in PRIVATE}, lock="", artifacts="")
        for run in runs
    ]
    fingerprints = {row.fingerprint for row in rows}
    speeds = {mark: asdict(speed) for mark, speed in results.speeds.items() if mark in fingerprints}
    for name, content in ((PLAN, results.plan.to_json()), (RUNS, list(map(asdict, public))), (SPEEDS, speeds)):
        _write_json(folder / name, content)
    with files_of(store) as files:
        for run in finished_runs(results.plan, runs):
            target = folder / "runs" / run.run_id
            target.mkdir(parents=True)
            for name in (CONFIG_FILE, ENVIRONMENT_FILE, PREDICTIONS_FILE):
                shutil.copyfile(files.path(run, name), target / name)
            _write_json(target / HISTORIES_FILE, files.histories(run))
            if (explanations := read_explanations(store, run.run_id)).reviews:
                _write_json(target / EXPLANATIONS_FILE, explanations.model_dump(mode="json"))
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    manifest = {"export_version": EXPORT_VERSION, "files": hashes, "plan": results.entry.name}
    _write_json(folder / MANIFEST, manifest)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def _check(folder: Path) -> _Manifest:
    """Return the manifest; each file has the hash that it gives."""
    try:
        manifest = _Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        raise ExportError(f"{folder}: not an export: {MANIFEST} is missing or damaged; {_AGAIN}") from None
    if manifest.export_version != EXPORT_VERSION:
        found = f"got {manifest.export_version}, expected {EXPORT_VERSION}"
        raise ExportError(f"{folder}: an export of another version ({found}); {_AGAIN}")
    for name in (PLAN, RUNS, SPEEDS, *manifest.files):
        path = folder / name
        if name not in manifest.files or ".." in Path(name).parts or Path(name).is_absolute():
            raise ExportError(f"{folder}: {MANIFEST} is damaged at {one_line(name)[:80]}; {_AGAIN}")
        try:
            same = sha256_of(path) == manifest.files[name]
        except OSError:
            raise ExportError(f"{path}: missing; {_AGAIN}") from None
        if not same:
            raise ExportError(f"{path}: changed since it was exported; {_AGAIN}")
    return manifest


def _read(path: Path, kind: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ExportError(f"{path}: {place}: {first['msg']}; {_AGAIN}") from None
