"""A plan's results in a folder that can be taken elsewhere: records and predictions, by ids; no review's text.

manifest.json, written last, names every file with its hash; then plan.json, runs.json and speeds.json, and a folder a
finished run with its config.yaml, environment.json, histories.json (metrics by epoch), predictions.parquet and, where
`explain` has been called, explanations.json.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from benchmark.output import OutputError
from benchmark.results.read import HISTORIES_FILE, RUN_FILES, read_histories, read_predictions
from benchmark.results.results import PlanResults, PredictionTable, finished_runs
from benchmark.tracking import tags
from benchmark.tracking.client import TrackingError
from benchmark.tracking.explanations import read_explanations
from benchmark.tracking.records import EXPLANATIONS_FILE, PREDICTIONS_FILE, PlanRecord, RunRecord, Throughput
from benchmark.tracking.store import TrackingStore
from data_pipeline.checksums import sha256_of
from data_pipeline.errors import InputError, one_line

EXPORT_VERSION = 1
MANIFEST, PLAN, RUNS, SPEEDS = "manifest.json", "plan.json", "runs.json", "speeds.json"
PRIVATE = (tags.USER, tags.LOCK, tags.SOURCE, tags.PARENT, tags.REQUEST, tags.NOTE)  # of this machine or its user


class ExportError(InputError):
    """A folder that is no export, or a damaged one."""


def write_export(store: TrackingStore, results: PlanResults, folder: Path) -> None:
    """Write a plan's results, whole or not at all.

    Args:
        store: where the results were read.
        results: of a plan.
        folder: is made; it must not be there, or be empty.

    Raises:
        OutputError: it cannot be written, or holds something.
        TrackingError: a run's file cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder}: is there already; name another, or remove it")
    if not folder.name:
        raise OutputError(f"{folder}: is the working directory; name a folder in it")
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_files(store, results, partial)
        with suppress(FileNotFoundError):
            folder.rmdir()
        partial.replace(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_export(folder: Path) -> PlanResults:
    """The results out of a folder that `write_export` made.

    Raises:
        ExportError: it is no export of this version, or a file of it is missing, changed or damaged.
        ResultsError: records contradict each other.
    """
    checked = _check(folder)
    plan = _plan(folder)
    runs = _read(folder, RUNS, list[RunRecord])
    table = PredictionTable()
    for run in finished_runs(plan, runs):
        name = f"runs/{run.run_id}/{PREDICTIONS_FILE}"
        if name not in checked:
            raise ExportError(f"{folder}: has no file {one_line(name)[:80]}; export it again")
        try:
            table.add(run, read_predictions(folder / name, run))
        except TrackingError as error:
            raise ExportError(f"{folder}: {error}") from None
    return PlanResults(plan, runs, table.ids, table.labels, table.logits, _read(folder, SPEEDS, dict[str, Throughput]))


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
    for run in finished_runs(results.plan, runs):
        target = folder / "runs" / run.run_id
        target.mkdir(parents=True)
        for name in RUN_FILES:
            store.artifact(run.run_id, name, target)
        _write_json(target / HISTORIES_FILE, read_histories(store, run))
        if (explanations := read_explanations(store, run.run_id)).reviews:
            _write_json(target / EXPLANATIONS_FILE, explanations.model_dump(mode="json"))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    manifest = {"export_version": EXPORT_VERSION, "files": hashes}
    _write_json(folder / MANIFEST, manifest)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def _check(folder: Path) -> Collection[str]:
    """Names of the files; what is no export is refused, and any file that is not as it was written."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version, files = manifest["export_version"], dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ExportError(
            f"{folder}: is no export: it has no readable {MANIFEST}; `python -m benchmark export DIR` makes one"
        ) from None
    if version != EXPORT_VERSION:
        raise ExportError(
            f"{folder}: is an export of version {one_line(str(version))[:20]}, and this suite reads {EXPORT_VERSION}; "
            "export it again with this version"
        )
    for name in (PLAN, RUNS, SPEEDS, *files):
        path = folder / name
        if not isinstance(files.get(name), str) or ".." in Path(name).parts or Path(name).is_absolute():
            raise ExportError(f"{folder}: its {MANIFEST} is damaged at {one_line(name)[:80]}; export it again")
        try:
            same = sha256_of(path) == files[name]
        except OSError:
            raise ExportError(f"{path}: is missing; export it again") from None
        if not same:
            raise ExportError(f"{path}: has been changed since it was exported; export it again")
    return files


def _plan(folder: Path) -> PlanRecord:
    try:
        return PlanRecord.from_json(_read(folder, PLAN, dict[str, Any]))
    except ValueError as error:
        raise ExportError(f"{folder / PLAN}: {error}; export it again with this version") from None


def _read(folder: Path, name: str, kind: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_json((folder / name).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ExportError(f"{folder / name}: {place}: {first['msg']}; export it again with this version") from None
