"""Write a plan's results to a folder that can be taken elsewhere; no review's text is in it.

manifest.json, written last, names every file with its hash; beside it are plan.json, runs.json, speeds.json and
reviews.parquet: id, label and, where known, stars and film of each test review. A folder per finished run has
config.yaml, environment.json, histories.json (metrics by epoch), predictions.parquet (in the order of the reviews) and,
where `explain` has been called, explanations.json. Of each challenge set challenges/NAME.json and NAME.parquet have
title and reviews, and challenges/NAME.parquet of a run its predictions. Equal results give equal bytes, and one run
more leaves the files of the others as they are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel, TypeAdapter, ValidationError

from benchmark.output import write_folder
from benchmark.results.challenges import LOGITS
from benchmark.results.export_files import HISTORIES_FILE, REVIEWS_FILE, write_table
from benchmark.results.read import RunFiles, files_of, read_predictions
from benchmark.results.results import ChallengeResults, PlanResults
from benchmark.tracking import tags
from benchmark.tracking.challenges import ChallengeInfo, info_file, predictions_file
from benchmark.tracking.explanations import read_explanations
from benchmark.tracking.records import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    EXPLANATIONS_FILE,
    PREDICTIONS_FILE,
    PlanRecord,
    RunRecord,
    finished_runs,
)
from data_pipeline.errors import InputError
from data_pipeline.files import sha256_of

if TYPE_CHECKING:
    from benchmark.tracking.store import TrackingStore

EXPORT_VERSION = 2
MANIFEST, PLAN, RUNS, SPEEDS = "manifest.json", "plan.json", "runs.json", "speeds.json"
# Tags of this machine, its user or its store.
PRIVATE = (tags.USER, tags.LOCK, tags.SOURCE, tags.PARENT, tags.REQUEST, tags.NOTE, tags.IMPORTED)
OF_REVIEWS = ["stars", "film"]  # columns of predictions that are equal for all runs
AGAIN = "`python -m benchmark export DIR` makes a new one"


class ExportError(InputError):
    """A folder that is no export, or a damaged one."""


class Manifest(BaseModel):
    """Which files an export has, by their hashes."""

    export_version: int
    files: dict[str, str]
    plan: str = ""


def write_export(store: TrackingStore, results: PlanResults, folder: Path) -> None:
    """Write the results, which were read from the store, to a folder: whole or not at all.

    Args:
        store: has the runs' files.
        results: of one plan.
        folder: new, empty, or with an export of the same profile and nothing else, which is replaced.

    Raises:
        OutputError: it cannot be written, or holds something else.
        TrackingError: a run's file cannot be read.
    """
    write_folder(folder, partial(_write_files, store, results), partial(_is_export, results.plan.profile))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest; raise ExportError where there is none."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        raise ExportError(f"{folder}: not an export: {MANIFEST} is missing or damaged; {AGAIN}") from None


def read_json(path: Path, kind: Any) -> Any:
    """Read one of the export's own files; raise ExportError where its content is not of this kind."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ExportError(f"{path}: {place}: {first['msg']}; {AGAIN}") from None


def exported_id(run: RunRecord) -> str:
    """Return the run's id in exports: of an imported run the one that it came with, so that its files stay."""
    return run.tags.get(tags.IMPORTED, run.run_id).rpartition(" ")[2]


def public_tags(run: RunRecord) -> dict[str, str]:
    """Return the run's tags that are not of one machine or its user."""
    return {name: value for name, value in run.tags.items() if name not in PRIVATE}


def _is_export(profile: str, folder: Path) -> bool:
    """Return whether the folder holds an export of the profile, and nothing else."""
    try:
        manifest, plan = read_manifest(folder), read_json(folder / PLAN, PlanRecord)
    except (ExportError, OSError):
        return False
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return plan.profile == profile and found <= {MANIFEST, *manifest.files}


def _write_files(store: TrackingStore, results: PlanResults, folder: Path) -> None:
    rows = results.plan.rows
    runs = [run for row in rows for run in results.of(row) if run is not None]
    public = [
        replace(run, run_id=exported_id(run), tags=public_tags(run), lock="", artifacts="", model="") for run in runs
    ]
    fingerprints = {row.fingerprint for row in rows}
    speeds = {mark: asdict(speed) for mark, speed in results.speeds.items() if mark in fingerprints}
    for name, content in ((PLAN, results.plan.to_json()), (RUNS, list(map(asdict, public))), (SPEEDS, speeds)):
        _write_json(folder / name, content)
    finished = finished_runs(results.plan, runs)
    with files_of(store) as files:
        for run in finished:
            target = folder / "runs" / exported_id(run)
            target.mkdir(parents=True)
            for name in (CONFIG_FILE, ENVIRONMENT_FILE):
                shutil.copyfile(files.path(run, name), target / name)
            _write_json(target / HISTORIES_FILE, files.histories(run))
            if (explanations := read_explanations(store, run.run_id)).reviews:
                _write_json(target / EXPLANATIONS_FILE, explanations.model_dump(mode="json"))
        _write_predictions(files, results, finished, folder)
    for challenge in results.challenges:
        _write_challenge(challenge, {run.run_id: exported_id(run) for run in finished}, folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    manifest = {"export_version": EXPORT_VERSION, "files": hashes, "plan": results.entry.name}
    _write_json(folder / MANIFEST, manifest)


def _write_predictions(files: RunFiles, results: PlanResults, runs: Sequence[RunRecord], folder: Path) -> None:
    reviews = pd.DataFrame({"id": results.ids.astype(str), "label": results.labels})
    for run in runs:
        table = read_predictions(files, run, None).set_index("id").loc[results.ids].reset_index(drop=True)
        known = [name for name in OF_REVIEWS if name in table]
        reviews = reviews.assign(**{name: table[name] for name in known if name not in reviews})
        write_table(table.drop(columns=["label", *known]), folder / "runs" / exported_id(run) / PREDICTIONS_FILE)
    write_table(reviews, folder / REVIEWS_FILE)


def _write_challenge(challenge: ChallengeResults, exported: Mapping[str, str], folder: Path) -> None:
    reviews = pd.DataFrame({"id": challenge.ids.astype(str), "label": challenge.labels})
    for name, values in (("group", challenge.groups), ("original", challenge.original)):
        if values is not None:
            reviews[name] = values
    write_table(reviews, folder / predictions_file(challenge.name))
    fields = {name: getattr(challenge, name) for name in ChallengeInfo.model_fields}
    _write_json(folder / info_file(challenge.name), fields)
    for run_id, logits in challenge.logits.items():
        table = pd.DataFrame(logits, columns=LOGITS).assign(in_train=challenge.in_train[run_id])
        write_table(table, folder / "runs" / exported[run_id] / predictions_file(challenge.name))


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
