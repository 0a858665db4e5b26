"""A plan's results read from the tracking store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.report.results import PREDICTION_COLUMNS, PredictionTable, Results, finished_runs
from benchmark.tracking.client import TrackingError, local_path
from benchmark.tracking.records import PREDICTIONS_FILE, RunRecord

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.tracking.store import TrackingStore


def read_results(store: TrackingStore | None, profile: str) -> Results:
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
    return Results(plan, runs, table.labels, table.logits, store.speeds(profile))


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
