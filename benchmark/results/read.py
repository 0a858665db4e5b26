"""A plan's results read from the tracking store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.results.results import PREDICTION_COLUMNS, PlanResults, PredictionTable, finished_runs
from benchmark.tracking.client import TrackingError, local_path
from benchmark.tracking.records import PREDICTIONS_FILE, RunRecord

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.tracking.store import TrackingStore
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from benchmark.results.details import Details, RunDetails
from benchmark.results.recorded_run import has_epochs, read_environment
from benchmark.tracking.explanations import Explanations, explanations_in, read_explanations
from benchmark.tracking.records import CONFIG_FILE, ENVIRONMENT_FILE

if TYPE_CHECKING:
    from benchmark.tracking.store import TrackingStore


def read_results(store: TrackingStore | None, profile: str) -> PlanResults:
    """What is recorded of the profile's latest plan.

    Raises:
        TrackingError: nothing is recorded, or a finished run's predictions cannot be read.
        ResultsError: records contradict each other.
    """
    plan = store.latest_plan(profile) if store else None
    if store is None or plan is None:
        raise TrackingError(
            f"no run of profile {profile!r} is recorded here; `python -m benchmark run all "
            f"--profile {profile}` makes them"
        )
    runs = store.runs(profile)
    table = PredictionTable()
    for run in finished_runs(plan, runs):
        table.add(run, recorded_predictions(store, run))
    return PlanResults(plan, runs, table.ids, table.labels, table.logits, store.speeds(profile))


def recorded_predictions(store: TrackingStore, run: RunRecord) -> pd.DataFrame:
    """The PREDICTION_COLUMNS of a finished run.

    Raises:
        TrackingError: they cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        return read_predictions(_predictions_file(store, run, Path(folder)), run)


def _predictions_file(store: TrackingStore, run: RunRecord, folder: Path) -> Path:
    """Where the file lies on this machine's disk, or a copy in `folder`."""
    # MLflow's own way there takes 20 ms a run and copies the file: 8 s of a report over 400 runs.
    root = local_path(run.artifacts)
    if root is not None and (root / PREDICTIONS_FILE).is_file():
        return root / PREDICTIONS_FILE
    return store.artifact(run.run_id, PREDICTIONS_FILE, folder)


def read_predictions(path: Path, run: RunRecord) -> pd.DataFrame:
    """What a report needs of a file of predictions.

    Raises:
        TrackingError: it cannot be read.
    """
    import pandas as pd

    try:
        return pd.read_parquet(path, columns=list(PREDICTION_COLUMNS))
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        reason = " ".join(str(error).split())[:200]
        raise TrackingError(
            f"{PREDICTIONS_FILE} of run {run.run_id} ({run.name}) cannot be read ({reason}); "
            f"`python -m benchmark run {run.experiment} --fresh` does it again"
        ) from None


HISTORIES_FILE = "histories.json"  # of an export: {metric: {epoch: value}}
RUN_FILES = (CONFIG_FILE, ENVIRONMENT_FILE, PREDICTIONS_FILE)
Histories = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class _Read:
    """A run's files, read."""

    run: RunRecord
    histories: Histories
    settings: Mapping[str, Any]
    environment: Mapping[str, str]
    reviews: pd.DataFrame
    explanations: Explanations


def details_of_store(store: TrackingStore, results: PlanResults) -> Details:
    """Of the finished runs of `results`, which were read from the store.

    Raises:
        TrackingError: a run's file cannot be read.
    """

    def read() -> Iterator[_Read]:
        for run in finished_runs(results.plan, results.runs):
            with tempfile.TemporaryDirectory() as folder:
                for name in RUN_FILES:
                    store.artifact(run.run_id, name, Path(folder))
                yield _read(run, Path(folder), read_histories(store, run), read_explanations(store, run.run_id))

    return _together(read(), results.ids)


def details_of_export(folder: Path, results: PlanResults) -> Details:
    """Of the finished runs of `results`, which were read from this export and checked then.

    Raises:
        TrackingError: a run's file is missing or damaged.
    """

    def read() -> Iterator[_Read]:
        for run in finished_runs(results.plan, results.runs):
            place = folder / "runs" / run.run_id
            yield _read(run, place, _exported_histories(place / HISTORIES_FILE), explanations_in(place))

    return _together(read(), results.ids)


def read_histories(store: TrackingStore, run: RunRecord) -> Histories:
    """By metric, the values by epoch of those that have them."""
    return {key: store.history(run.run_id, key) for key in sorted(run.metrics) if has_epochs(key)}


def _exported_histories(path: Path) -> Histories:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = {str(key): {int(at): float(value) for at, value in values.items()} for key, values in content.items()}
        if not all(math.isfinite(value) for values in found.values() for value in values.values()):
            raise ValueError("no number")
        return found
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        raise TrackingError(f"{path}: is missing or damaged; export it again with this version") from None


def _read(run: RunRecord, folder: Path, histories: Histories, explanations: Explanations) -> _Read:
    try:
        settings = yaml.safe_load((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        reviews = pd.read_parquet(folder / PREDICTIONS_FILE)
    except (yaml.YAMLError, OSError, ValueError) as error:  # the last: also pyarrow's own
        raise TrackingError(_unreadable(run, error)) from None
    environment = read_environment(folder / ENVIRONMENT_FILE) or {}
    return _Read(run, histories, settings if isinstance(settings, dict) else {}, environment, reviews, explanations)


def _together(runs: Iterator[_Read], ids: np.ndarray) -> Details:
    """Join the runs, each with its reviews in the order of `ids`."""
    found: dict[str, RunDetails] = {}
    details = Details(found)
    in_train: list[np.ndarray] = []
    for each in runs:
        try:
            table = each.reviews.set_index("id").loc[ids]
            if not found:
                details = Details(found, None, _stars(table), _films(table))
            if (flags := _column(table, "also_in_train", np.bool_)) is not None:
                in_train.append(flags)
            tokens, truncated = _column(table, "tokens", np.int64), _column(table, "truncated", np.bool_)
        except (KeyError, TypeError, ValueError) as error:
            raise TrackingError(_unreadable(each.run, error)) from None
        found[each.run.run_id] = RunDetails(
            each.histories, each.settings, each.environment, tokens, truncated, each.explanations.reviews
        )
    return replace(details, also_in_train=np.any(in_train, axis=0) if in_train else None)


def _column(table: pd.DataFrame, name: str, kind: type[np.generic]) -> np.ndarray | None:
    return table[name].to_numpy(dtype=kind) if name in table else None


def _stars(table: pd.DataFrame) -> np.ndarray | None:
    if "stars" not in table:
        return None
    return table["stars"].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)


def _films(table: pd.DataFrame) -> np.ndarray | None:
    return table["film"].astype("object").fillna("").to_numpy(dtype=object) if "film" in table else None


def _unreadable(run: RunRecord, error: Exception) -> str:
    return f"files of run {run.run_id} ({run.name}) cannot be read ({' '.join(str(error).split())[:200]})"
