"""Read recorded runs: from the tracking store, or from a folder that `export` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from benchmark.output import flattened
from benchmark.results.challenges import read_challenges
from benchmark.results.export_files import ExportFiles, Histories
from benchmark.results.external import with_external
from benchmark.results.results import Details, PlanResults, RecordedRun, join_runs
from benchmark.tracking.client import TrackingError
from benchmark.tracking.explanations import explanations_in
from benchmark.tracking.plans import choose_plan
from benchmark.tracking.records import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    EXPLANATIONS_FILE,
    EXTERNAL,
    PREDICTIONS_FILE,
    RunRecord,
    Status,
    finished_runs,
)

if TYPE_CHECKING:
    from benchmark.tracking.store import TrackingStore

PREDICTION_COLUMNS = ["id", "label", "logit_negative", "logit_positive"]
BY_EPOCH = ("train/", "val/")  # metrics of these names have a value per epoch; the others have one
# What else predictions say of a review, and what an unknown value becomes.
_KNOWN: dict[str, tuple[type[np.generic], dict[str, Any]]] = {
    "tokens": (np.int64, {}),
    "truncated": (np.bool_, {}),
    "also_in_train": (np.bool_, {}),
    "stars": (np.float64, {"na_value": np.nan}),
    "film": (np.object_, {"na_value": ""}),
}
_DAMAGE = (yaml.YAMLError, OSError, ValueError)  # pyarrow's own errors are of the last two kinds


class StoreFiles:
    """Files of runs in the tracking store; what is on no local disk is copied to the folder."""

    def __init__(self, store: TrackingStore, folder: Path) -> None:
        self._store, self._folder = store, folder

    def path(self, run: RunRecord, name: str) -> Path:
        """Return the path of one file; raise TrackingError where the run has no such file."""
        return self._store.file(run, name, self._folder / run.run_id)

    def table(self, run: RunRecord, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Read these columns of a parquet file of the run, None for all."""
        return pd.read_parquet(self.path(run, name), columns=columns)

    def histories(self, run: RunRecord) -> Histories:
        """Return the values by epoch of the metrics that have them."""
        return {key: self._store.history(run.run_id, key) for key in sorted(run.metrics) if key.startswith(BY_EPOCH)}


RunFiles = StoreFiles | ExportFiles


@contextmanager
def files_of(store: TrackingStore) -> Iterator[StoreFiles]:
    """Give access to the files of the store's runs; copies are removed at the end."""
    with TemporaryDirectory() as folder:
        yield StoreFiles(store, Path(folder))


def read_results(store: TrackingStore | None, profile: str, plan: str | None = None) -> PlanResults:
    """Read what is recorded of the chosen plan, see `choose_plan`.

    Raises:
        TrackingError: nothing is recorded, there is no such plan, or a finished run's predictions cannot be read.
        ResultsError: records contradict each other.
    """
    entry, record, runs = choose_plan(store, profile, plan)
    assert store is not None
    with files_of(store) as files:
        read = partial(read_predictions, files)
        results = join_runs(record, runs, store.speeds(profile), read, entry)
        results = with_external(results, store.runs(profile, EXTERNAL, Status.FINISHED), read)
        return with_challenges(results, files)


def with_challenges(results: PlanResults, files: RunFiles) -> PlanResults:
    """Return the results with what their finished runs predict of challenge sets."""
    finished = [run for run in results.runs if run.run_id in results.logits]
    return replace(results, challenges=read_challenges(files, finished))


def recorded_predictions(store: TrackingStore, run: RunRecord) -> pd.DataFrame:
    """Read the PREDICTION_COLUMNS of a finished run; raise TrackingError where they cannot be read."""
    with files_of(store) as files:
        return read_predictions(files, run)


def read_predictions(files: RunFiles, run: RunRecord, columns: list[str] | None = PREDICTION_COLUMNS) -> pd.DataFrame:
    """Read these columns of a run's predictions, None for all; raise TrackingError where they cannot be read."""
    try:
        return files.table(run, PREDICTIONS_FILE, columns)
    except (KeyError, *_DAMAGE) as error:
        raise _unreadable(PREDICTIONS_FILE, run, error) from None


def read_run(files: RunFiles, run: RunRecord) -> RecordedRun:
    """Read everything about a run of any status; a file that is missing or damaged counts as empty."""
    predictions: pd.DataFrame | None = None
    try:
        table = read_predictions(files, run, None)
        if {"id", "label"} <= set(table) and any(str(name).startswith("logit_") for name in table):
            predictions = table.set_index("id")
    except TrackingError:
        pass
    environment = flattened(_mapping(files, run, ENVIRONMENT_FILE))
    try:
        explanations = explanations_in(files.path(run, EXPLANATIONS_FILE).parent).reviews
    except TrackingError:
        explanations = {}
    return RecordedRun(
        run,
        files.histories(run),
        _mapping(files, run, CONFIG_FILE),
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in environment},
        predictions,
        explanations,
    )


def read_details(files: RunFiles, results: PlanResults) -> Details:
    """Read the details of the finished runs of `results`.

    Raises:
        TrackingError: a run's settings, histories or predictions cannot be read.
    """
    runs: dict[str, RecordedRun] = {}
    columns: dict[str, dict[str, np.ndarray]] = {name: {} for name in _KNOWN}
    for record in finished_runs(results.plan, results.runs):
        runs[record.run_id] = run = read_run(files, record)
        if not run.settings or run.predictions is None:
            missing = PREDICTIONS_FILE if run.settings else CONFIG_FILE
            raise _unreadable(missing, record, "missing or damaged")
        try:
            table = run.predictions.loc[results.ids]
            for name in columns.keys() & set(table):
                kind, unknown = _KNOWN[name]
                columns[name][record.run_id] = table[name].to_numpy(kind, **unknown)
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable(PREDICTIONS_FILE, record, error) from None
    in_train, stars, films = (list(columns[name].values()) for name in ("also_in_train", "stars", "film"))
    return Details(
        runs,
        columns["tokens"],
        columns["truncated"],
        np.any(in_train, axis=0) if in_train else None,
        stars[0] if stars else None,
        films[0] if films else None,
    )


def _mapping(files: RunFiles, run: RunRecord, name: str) -> dict[str, Any]:
    try:
        text = files.path(run, name).read_text(encoding="utf-8")
        content = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    except (TrackingError, *_DAMAGE):
        return {}
    return content if isinstance(content, dict) else {}


def _unreadable(name: str, run: RunRecord, error: object) -> TrackingError:
    reason = " ".join(str(error).split())[:200]
    return TrackingError(
        f"{name} of run {run.run_id} ({run.name}) cannot be read ({reason}); "
        f"`python -m benchmark run {run.experiment} --fresh` does it again"
    )
