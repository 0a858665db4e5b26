"""What is recorded of a plan, wherever it is read from: all that a report is made of. Knows no store.

N test reviews.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from benchmark.tracking.records import PlanRecord, PlanRow, RunRecord, Status, Throughput, best_run
from data_pipeline.errors import InputError

PREDICTION_COLUMNS = ("id", "label", "logit_negative", "logit_positive")
SCORES = ("f1", "roc_auc", "log_loss")  # as a run records them, under `test/`
NEEDED_METRICS = (
    *(f"test/{name}" for name in ("accuracy", *SCORES)),
    *("parameters_total", "parameters_trainable", "train_seconds"),
)


class ResultsError(InputError):
    """Records that do not belong together, or contradict each other."""


@dataclass(frozen=True, slots=True)
class PlanResults:
    """A plan, its runs, and what the finished ones say of the test reviews.

    Attributes:
        plan: what was wanted.
        runs: all runs of the profile, newest first; those of other settings are not looked at.
        ids: (N,) the reviews' ids.
        labels: (N,) 0 or 1, the truth, in the order of `ids`.
        logits: by run id, (N, 2) float32 in the order of `ids`.
        speeds: what `throughput` measured, by fingerprint.
    """

    plan: PlanRecord
    runs: Sequence[RunRecord]
    ids: np.ndarray
    labels: np.ndarray
    logits: Mapping[str, np.ndarray]
    speeds: Mapping[str, Throughput] = field(default_factory=dict)

    def of(self, row: PlanRow) -> list[RunRecord | None]:
        """The row's run of each seed, finished where there is a finished one, in the order of the plan's seeds."""
        return [best_run(self.runs, row.fingerprint, seed) for seed in self.plan.seeds]

    def finished(self, row: PlanRow) -> list[RunRecord]:
        """The row's finished runs, in the order of the plan's seeds."""
        return [run for run in self.of(row) if run is not None and run.status is Status.FINISHED]

    def correct(self, runs: Sequence[RunRecord]) -> np.ndarray:
        """(S, N) bool: which reviews the networks of these S runs label rightly."""
        return np.stack([self.logits[run.run_id].argmax(axis=1) == self.labels for run in runs])


def finished_runs(plan: PlanRecord, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The finished runs of the plan, row by row."""
    found = [best_run(runs, row.fingerprint, seed) for row in plan.rows for seed in plan.seeds]
    return [run for run in found if run is not None and run.status is Status.FINISHED]


class PredictionTable:
    """Predictions of several runs, brought into one order by the reviews' ids."""

    def __init__(self) -> None:
        self.ids = np.zeros(0, dtype=object)
        self.labels = np.zeros(0, dtype=np.int64)
        self.logits: dict[str, np.ndarray] = {}

    def add(self, run: RunRecord, table: pd.DataFrame) -> None:
        """Take a run's predictions.

        Args:
            run: its record.
            table: PREDICTION_COLUMNS, a line a review.

        Raises:
            ResultsError: they are about other reviews than those of the runs before, or another accuracy is recorded.
        """
        missing = [name for name in PREDICTION_COLUMNS if name not in table.columns]
        if missing:
            raise ResultsError(f"predictions of run {run.run_id} ({run.name}) have no column {', '.join(missing)}")
        ids = pd.Index(table["id"])
        if not self.logits:
            if not ids.is_unique:
                raise ResultsError(f"predictions of run {run.run_id} ({run.name}) name a review twice")
            self.ids, self.labels = ids.to_numpy(dtype=object), table["label"].to_numpy(np.int64)
        elif not np.array_equal(ids, self.ids):
            places = ids.get_indexer(self.ids) if ids.is_unique and len(ids) == len(self.ids) else np.array([-1])
            if (places < 0).any():
                raise ResultsError(
                    f"predictions of run {run.run_id} ({run.name}) are about other reviews than those of the plan's "
                    "first run: they cannot be compared; `python -m benchmark run --fresh` does the runs again"
                )
            table = table.iloc[places]
        needed = (*NEEDED_METRICS, *({"best_epoch"} & run.metrics.keys()))
        lacking = [name for name in needed if not math.isfinite(run.metrics.get(name, math.nan))]
        if lacking:
            raise ResultsError(
                f"run {run.run_id} ({run.name}) is finished and has no {', '.join(lacking)}: it is of another version; "
                f"`python -m benchmark run {run.experiment} --fresh` does it again"
            )
        logits = table[["logit_negative", "logit_positive"]].to_numpy(np.float32)
        if not np.array_equal(table["label"].to_numpy(np.int64), self.labels):
            raise ResultsError(f"predictions of run {run.run_id} ({run.name}) have other labels for the same reviews")
        accuracy = float((logits.argmax(axis=1) == self.labels).mean())
        recorded = run.metrics["test/accuracy"]
        if not abs(accuracy - recorded) < 1e-9:
            raise ResultsError(
                f"run {run.run_id} ({run.name}): its predictions are right of {100 * accuracy:.3f} % and its record "
                f"says {100 * recorded:.3f} %: one of them was changed; `python -m benchmark run {run.experiment} "
                "--fresh` does it again"
            )
        self.logits[run.run_id] = logits
