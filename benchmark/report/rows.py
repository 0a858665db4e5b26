"""The figures of each row of the table, as numbers: what was measured, how surely, at what cost."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.analysis.bootstrap import bootstrap_accuracy
from benchmark.analysis.intervals import AccuracyInterval, Interval, accuracy_interval
from benchmark.analysis.metrics import expected_calibration_error
from benchmark.analysis.pairwise import Comparison, compare_all
from benchmark.results.results import SCORES, PlanResults
from benchmark.tracking.records import PlanRow, RunRecord, Status

MOST_RESAMPLED = 30  # seeds: with more, the bootstrap is what the interval is


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over seeds: mean, and standard deviation where there are several."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value a seed."""
        return cls(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a row's figures cost, in the mean over seeds; None: not measured.

    Attributes:
        parameters: of the network.
        trainable: those that learn.
        train_seconds: training and a frozen encoder's pass, whichever run paid for it.
        features_seconds: that pass alone; None: there is none.
        tuning_seconds: all trials of the search that the settings come from; None: from no search.
        tuning_trials: how many finished.
        inference_reviews_per_second: of new reviews, in batches.
        latency_ms: of one new review, the median.
        peak_memory_mib: of a run's process.
    """

    parameters: int | None
    trainable: int | None
    train_seconds: float | None
    features_seconds: float | None
    tuning_seconds: float | None
    tuning_trials: int | None
    inference_reviews_per_second: float | None
    latency_ms: float | None
    peak_memory_mib: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        plan: what was wanted.
        name: as it is printed; `(tuned)` where a search chose its settings.
        states: of its run of each seed: a status, or `missing`.
        accuracy: mean over seeds with its interval, None where the row is incomplete.
        bootstrap: the interval that resampled seeds and reviews give, beside that one and deciding nothing (it is too
            narrow for few seeds, docs/statistics.md); None with one seed, or more than MOST_RESAMPLED.
        accuracies: of each seed, 0 to 1; empty where the row is incomplete.
        scores: f1, roc_auc (0 to 1), log_loss (nats), ece (0 to 1); empty where the row is incomplete.
        cost: of an incomplete row what an answer costs alone, which needs no run.
        letters: rank among the rows of its train size; empty where it is not compared.
        machines: that its runs were computed on; empty where the row is incomplete.
    """

    plan: PlanRow
    name: str
    states: tuple[str, ...]
    accuracy: AccuracyInterval | None
    bootstrap: Interval | None
    accuracies: tuple[float, ...]
    scores: Mapping[str, Spread]
    cost: Cost
    letters: str
    machines: frozenset[str] = frozenset()

    @property
    def finished(self) -> int:
        """How many of its runs are."""
        return self.states.count(Status.FINISHED)

    @property
    def complete(self) -> bool:
        """Whether all of them are: a mean over a part of the seeds would pass for the row's result."""
        return self.accuracy is not None


@dataclass(frozen=True, slots=True)
class Verdict:
    """All rows and what separates them.

    Attributes:
        rows: in the order of the plan.
        comparisons: by train size, of its complete rows, by their names; where there are at least two.
    """

    rows: tuple[Row, ...]
    comparisons: Mapping[int, Comparison]


def make_verdict(results: PlanResults) -> Verdict:
    """Figures and comparisons of a plan's results."""
    comparisons = {}
    for size in results.plan.train_sizes:
        complete = [(row, _all_finished(results, row)) for row in results.plan.rows if row.train_size == size]
        methods = {row_name(row): results.correct(runs) for row, runs in complete if runs}
        if methods:
            comparisons[size] = compare_all(methods)
    rows = tuple(_row(results, row, comparisons.get(row.train_size)) for row in results.plan.rows)
    return Verdict(rows, {size: found for size, found in comparisons.items() if len(found.letters) > 1})


def row_name(row: PlanRow) -> str:
    """As the table prints it."""
    return f"{row.experiment} (tuned)" if row.tuned else row.experiment


def _all_finished(results: PlanResults, row: PlanRow) -> list[RunRecord]:
    runs = results.finished(row)
    return runs if len(runs) == len(results.plan.seeds) else []


def _row(results: PlanResults, row: PlanRow, comparison: Comparison | None) -> Row:
    name, runs = row_name(row), _all_finished(results, row)
    states = tuple(run.status.value if run is not None else "missing" for run in results.of(row))
    if not runs:
        return Row(row, name, states, None, None, (), {}, _cost(results, row, []), "")
    assert comparison is not None
    correct = results.correct(runs)
    scores = {score: Spread.of([run.metrics[f"test/{score}"] for run in runs]) for score in SCORES}
    logits = [results.logits[run.run_id] for run in runs]
    scores["ece"] = Spread.of([expected_calibration_error(results.labels, each) for each in logits])
    return Row(
        plan=row,
        name=name,
        states=states,
        accuracy=accuracy_interval(correct),
        bootstrap=bootstrap_accuracy(correct) if 1 < len(correct) <= MOST_RESAMPLED else None,
        accuracies=tuple(float(each.mean()) for each in correct),
        scores=scores,
        cost=_cost(results, row, [run.metrics for run in runs]),
        letters=comparison.letters.get(name, "") if len(comparison.letters) > 1 else "",
        machines=frozenset(run.tags["hardware"] for run in runs if "hardware" in run.tags),
    )


def _cost(results: PlanResults, row: PlanRow, metrics: Sequence[Mapping[str, float]]) -> Cost:
    train, features = _mean(metrics, "train_seconds"), _mean(metrics, "features_seconds")
    speed, tuned = results.speeds.get(row.fingerprint), row.tuned
    return Cost(
        parameters=int(metrics[0]["parameters_total"]) if metrics else None,
        trainable=int(metrics[0]["parameters_trainable"]) if metrics else None,
        train_seconds=train + (features or 0.0) if train is not None else None,
        features_seconds=features,
        tuning_seconds=tuned["seconds"] if tuned else None,
        tuning_trials=tuned["complete"] + tuned["pruned"] if tuned else None,
        inference_reviews_per_second=speed.inference_reviews_per_second if speed else None,
        latency_ms=speed.latency_p50_ms if speed else None,
        peak_memory_mib=_mean(metrics, "peak_memory_mib"),
    )


def _mean(metrics: Sequence[Mapping[str, float]], key: str) -> float | None:
    values = [seed[key] for seed in metrics if key in seed]
    return statistics.mean(values) if values else None
