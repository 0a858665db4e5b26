"""What is recorded of a plan and its runs, wherever it is read from. Knows no store.

N test reviews.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from benchmark.tracking.explanations import ReviewExplanation
from benchmark.tracking.records import PlanEntry, PlanRecord, PlanRow, RunRecord, Status, best_run, finished_runs
from benchmark.tracking.speed import Throughput
from data_pipeline.errors import InputError

SCORES = ("f1", "roc_auc", "log_loss")  # as a run records them, under `test/`
NO_ENTRY = PlanEntry("", "", "")
NEEDED_METRICS = (
    *(f"test/{name}" for name in ("accuracy", *SCORES)),
    *("parameters_total", "parameters_trainable", "train_seconds"),
)


class ResultsError(InputError):
    """Records that do not belong together, or contradict each other."""


@dataclass(frozen=True, slots=True)
class ChallengeResults:
    """A challenge set, and what finished runs predict of its M reviews.

    Attributes:
        name: as in experiments.yaml.
        title: one line that says what it is.
        fingerprint: equal for equal sets.
        of_test: made from the test part.
        ids: (M,) the reviews' ids.
        labels: (M,) the true labels, 0 or 1.
        groups: (M,) str, rows of one group belong together; None: no groups.
        original: (M,) bool, False for a revision; None: not distinguished.
        logits: by run id, (M, 2) float32; runs that were not scored on it are absent.
        in_train: by run id, (M,) bool: train or val of the run had the same text.
    """

    name: str
    title: str
    fingerprint: str
    of_test: bool
    ids: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None
    original: np.ndarray | None
    logits: Mapping[str, np.ndarray]
    in_train: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class PlanResults:
    """A plan, its runs, and what the finished ones predict of the test reviews.

    Attributes:
        plan: what was wanted.
        runs: all runs of the profile, newest first, also those of other settings.
        ids: (N,) the reviews' ids.
        labels: (N,) the true labels, 0 or 1, in the order of `ids`.
        logits: by run id, (N, 2) float32 in the order of `ids`.
        speeds: what `throughput` measured, by fingerprint.
        entry: which of the profile's plans it is.
        challenges: that any finished run was scored on, in the order of their names.
    """

    plan: PlanRecord
    runs: Sequence[RunRecord]
    ids: np.ndarray
    labels: np.ndarray
    logits: Mapping[str, np.ndarray]
    speeds: Mapping[str, Throughput] = field(default_factory=dict)
    entry: PlanEntry = NO_ENTRY
    challenges: Sequence[ChallengeResults] = ()

    @property
    def larger_class(self) -> int:
        """Label that most test reviews have; 1 where both labels are equally frequent."""
        return int(2 * self.labels.sum() >= len(self.labels))

    @property
    def majority_accuracy(self) -> float | None:
        """Accuracy of always answering the larger class, 0.5 to 1; None where no run is finished."""
        return float((self.labels == self.larger_class).mean()) if len(self.labels) else None

    def of(self, row: PlanRow) -> list[RunRecord | None]:
        """Return the row's run of each of its seeds, the finished one if there is one."""
        return [best_run(self.runs, row.fingerprint, seed) for seed in self.plan.seeds_of(row)]

    def finished(self, row: PlanRow) -> list[RunRecord]:
        """Return the row's finished runs, in the order of its seeds."""
        return [run for run in self.of(row) if run is not None and run.status is Status.FINISHED]

    def correct(self, runs: Sequence[RunRecord]) -> np.ndarray:
        """Return (S, N) bool: which reviews each of the S runs labels correctly."""
        return np.stack([self.logits[run.run_id].argmax(axis=1) == self.labels for run in runs])


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run and the files logged with it; a file that is missing or damaged is empty or None.

    Attributes:
        record: name, status, settings, tags and the last value of each metric.
        histories: by metric, its value by epoch.
        settings: nested, as in config.yaml.
        environment: facts about the machine, nested keys joined with dots.
        predictions: by review id: label, one column `logit_...` per class, and what else is known of the review.
        explanations: what `explain` found, by review id.
    """

    record: RunRecord
    histories: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    predictions: pd.DataFrame | None = None
    explanations: Mapping[str, ReviewExplanation] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Return the last epoch with a recorded value, 0 without one."""
        return max((epoch for history in self.histories.values() for epoch in history), default=0)


@dataclass(frozen=True, slots=True)
class Details:
    """What the page shows of the finished runs beyond the table; arrays are in the order of `PlanResults.ids`.

    Attributes:
        runs: by run id.
        tokens: by run id, (N,) tokens of each whole review; no entry where they are not recorded.
        truncated: by run id, (N,) whether the network read only a part; no entry where that is not recorded.
        also_in_train: (N,) whether train of any of the runs has the same text; None: not recorded.
        stars: (N,) 1 to 10, NaN where unknown; None: the corpus has none.
        films: (N,) id of the film or ""; None: the corpus has none.
    """

    runs: Mapping[str, RecordedRun]
    tokens: Mapping[str, np.ndarray] = field(default_factory=dict)
    truncated: Mapping[str, np.ndarray] = field(default_factory=dict)
    also_in_train: np.ndarray | None = None
    stars: np.ndarray | None = None
    films: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class ReviewTexts:
    """Texts of reviews by id, and a sentence that says why some or all are missing, empty where none is."""

    texts: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""


def join_runs(
    plan: PlanRecord,
    runs: Sequence[RunRecord],
    speeds: Mapping[str, Throughput],
    read_predictions: Callable[[RunRecord], pd.DataFrame],
    entry: PlanEntry = NO_ENTRY,
) -> PlanResults:
    """Bring the predictions of the plan's finished runs into one order.

    Raises:
        ResultsError: two runs have other reviews or labels, or predictions contradict the recorded accuracy.
    """
    ids, labels = np.zeros(0, dtype=object), np.zeros(0, dtype=np.int64)
    logits: dict[str, np.ndarray] = {}
    for run in finished_runs(plan, runs):
        table = read_predictions(run).set_index("id")
        if not logits:
            ids, labels = table.index.to_numpy(dtype=object), table["label"].to_numpy(np.int64)
        logits[run.run_id] = ordered_logits(run, table, ids, labels)
    return PlanResults(plan, runs, ids, labels, logits, speeds, entry)


def ordered_logits(run: RunRecord, table: pd.DataFrame, ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the (N, 2) float32 logits of a run's predictions, whose index is the reviews' ids, in the order of `ids`.

    Raises:
        ResultsError: they are of other reviews or labels, or contradict the recorded accuracy.
    """
    if not table.index.is_unique:
        raise ResultsError(f"predictions of run {run.run_id} ({run.name}): an id is there twice; {_again(run)}")
    if not np.array_equal(table.index, ids):
        if len(table) != len(ids) or not table.index.isin(ids).all():
            raise ResultsError(
                f"predictions of run {run.run_id} ({run.name}): other reviews than those of the plan's first run; "
                "`python -m benchmark run --fresh` does the runs again"
            )
        table = table.loc[ids]
    if not np.array_equal(table["label"].to_numpy(np.int64), labels):
        raise ResultsError(f"predictions of run {run.run_id} ({run.name}): other labels; {_again(run)}")
    logits = table[["logit_negative", "logit_positive"]].to_numpy(np.float32)
    _check_metrics(run, float((logits.argmax(axis=1) == labels).mean()))
    return logits


def _check_metrics(run: RunRecord, accuracy: float) -> None:
    measured = ("test/accuracy",) if run.external else NEEDED_METRICS
    needed = (*measured, *({"best_epoch"} & run.metrics.keys()))
    missing = [name for name in needed if not math.isfinite(run.metrics.get(name, math.nan))]
    if missing:
        raise ResultsError(f"run {run.run_id} ({run.name}) is finished without {', '.join(missing)}; {_again(run)}")
    recorded = run.metrics["test/accuracy"]
    if not abs(accuracy - recorded) < 1e-9:
        raise ResultsError(
            f"run {run.run_id} ({run.name}): accuracy of its predictions {100 * accuracy:.3f} %, recorded "
            f"{100 * recorded:.3f} %: one of them was changed; {_again(run)}"
        )


def _again(run: RunRecord) -> str:
    command = f"import FILE --name {run.experiment}" if run.external else f"run {run.experiment}"
    return f"`python -m benchmark {command} --fresh` does it again"
