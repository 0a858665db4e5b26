"""The figures of each row of the table, as numbers: accuracy and other scores, intervals, cost."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from benchmark.analysis.intervals import ConfidenceInterval, accuracy_interval
from benchmark.analysis.metrics import class_scores, expected_calibration_error
from benchmark.analysis.pairwise import ALPHA, PairwiseTests, better_than_constant, compare_all
from benchmark.results.results import SCORES, PlanResults
from benchmark.tracking.records import PlanRecord, PlanRow, RunRecord

OTHER_SETUP, UNKNOWN_SETUP = "other set-up", "settings unknown"
SAME_SIZE = 0.05  # train parts of sizes that differ by no more than this are called the same


class Spread(NamedTuple):
    """One figure over seeds: mean, and standard deviation where there are several seeds."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of one value per seed."""
        return cls(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a row's figures cost, in the mean over seeds; None: not measured.

    `train_seconds` includes `features_seconds`, a frozen encoder's pass over the reviews, whichever run paid for it.
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
    """One model at one train size; an incomplete row has no accuracies, interval, scores and machines.

    Attributes:
        plan: what was wanted.
        name: as printed; `(tuned)` where a search chose the settings, `(external)` of another system.
        runs: the run of each seed, None where it was never begun.
        cost: of an incomplete row only what `throughput` measured and what tuning took.
        setup: why the published figure cannot be subtracted from ours; empty where it can.
        accuracies: of each seed, 0 to 1.
        interval: 95 %, for the mean of the accuracies.
        scores: accuracy, balanced_accuracy, f1, f1_negative, roc_auc, ece (0 to 1) and log_loss (nats); the last three
            are missing of an external row that gives labels alone.
        majority_p: adjusted p of its being no better than always answering the larger class; None: incomplete.
        letters: rank among the rows of the same train size; empty where the row is not compared.
        machines: that the runs were computed on.
    """

    plan: PlanRow
    name: str
    runs: tuple[RunRecord | None, ...]
    cost: Cost
    setup: str
    accuracies: tuple[float, ...] = ()
    interval: ConfidenceInterval | None = None
    scores: Mapping[str, Spread] = field(default_factory=dict)
    majority_p: float | None = None
    letters: str = ""
    machines: frozenset[str] = frozenset()

    @property
    def states(self) -> tuple[str, ...]:
        """Status of the run of each seed, or `missing`."""
        return tuple(run.status.value if run is not None else "missing" for run in self.runs)

    @property
    def begun(self) -> bool:
        """Whether any of its runs was begun."""
        return any(run is not None for run in self.runs)

    @property
    def complete(self) -> bool:
        """Whether all runs are finished: a mean over a part of the seeds would pass for the row's result."""
        return bool(self.accuracies)

    @property
    def unstable_seeds(self) -> tuple[int, ...]:
        """Seeds whose training came apart."""
        return tuple(run.seed for run in self.runs if run is not None and run.unstable)

    @property
    def accuracy(self) -> float:
        """Mean over seeds of a complete row."""
        return self.scores["accuracy"].mean

    @property
    def beats_majority(self) -> bool:
        """Whether a complete row is significantly better than always answering the larger class."""
        return self.majority_p is not None and self.majority_p <= ALPHA


@dataclass(frozen=True, slots=True)
class Verdict:
    """All rows in the order of the plan, and by train size the comparison of complete rows, where there are two."""

    rows: tuple[Row, ...]
    comparisons: Mapping[int, PairwiseTests]


def make_verdict(results: PlanResults) -> Verdict:
    """Compute the figures and comparisons of a plan's results."""
    comparisons: dict[int, PairwiseTests] = {}
    against_majority: dict[int, dict[str, float]] = {}
    for size in results.plan.train_sizes:
        complete = [(row, _all_finished(results, row)) for row in results.plan.rows if row.train_size == size]
        methods = {row_name(row): results.correct(runs) for row, runs in complete if runs}
        if len(methods) > 1:
            comparisons[size] = compare_all(methods)
        against_majority[size] = better_than_constant(methods, results.labels == results.larger_class)
    rows = [
        _row(results, row, comparisons.get(row.train_size), against_majority[row.train_size])
        for row in results.plan.rows
    ]
    return Verdict(tuple(rows), comparisons)


def row_name(row: PlanRow) -> str:
    """Return the row's name as the table prints it."""
    mark = " (tuned)" if row.tuned else " (external)" if row.external else ""
    return f"{row.experiment}{mark}"


def _all_finished(results: PlanResults, row: PlanRow) -> list[RunRecord]:
    runs = results.finished(row)
    return runs if len(runs) == len(results.plan.seeds_of(row)) else []


def _row(
    results: PlanResults, row: PlanRow, comparison: PairwiseTests | None, against_majority: Mapping[str, float]
) -> Row:
    name, runs = row_name(row), _all_finished(results, row)
    cost = _cost(results, row, [run.metrics for run in runs])
    found = Row(row, name, tuple(results.of(row)), cost, _setup(results.plan, row))
    if not runs:
        return found
    correct = results.correct(runs)
    accuracies = tuple(float(each.mean()) for each in correct)
    logits = [results.logits[run.run_id] for run in runs]
    recorded = [score for score in SCORES if f"test/{score}" in runs[0].metrics]
    scores = {score: [run.metrics[f"test/{score}"] for run in runs] for score in recorded}
    # Of the predictions: records of older versions lack them.
    of_classes = [class_scores(results.labels, each) for each in logits]
    scores |= {score: [found[score] for found in of_classes] for score in of_classes[0]}
    if "log_loss" in scores:
        scores |= {"ece": [expected_calibration_error(results.labels, each) for each in logits]}
    return replace(
        found,
        accuracies=accuracies,
        interval=accuracy_interval(correct),
        scores={key: Spread.of(each) for key, each in ({"accuracy": accuracies} | scores).items()},
        letters=comparison.letters.get(name, "") if comparison else "",
        majority_p=against_majority.get(name),
        machines=frozenset(run.tags["hardware"] for run in runs if "hardware" in run.tags),
    )


def _cost(results: PlanResults, row: PlanRow, metrics: Sequence[Mapping[str, float]]) -> Cost:
    train, features = _mean(metrics, "train_seconds"), _mean(metrics, "features_seconds")
    speed, tuned = results.speeds.get(row.fingerprint), row.tuned
    return Cost(
        parameters=_count(metrics, "parameters_total"),
        trainable=_count(metrics, "parameters_trainable"),
        train_seconds=train + (features or 0.0) if train is not None else None,
        features_seconds=features,
        tuning_seconds=tuned["seconds"] if tuned else None,
        tuning_trials=tuned["complete"] + tuned["pruned"] if tuned else None,
        inference_reviews_per_second=speed.inference_reviews_per_second if speed else None,
        latency_ms=speed.latency_p50_ms if speed else None,
        peak_memory_mib=_mean(metrics, "peak_memory_mib"),
    )


def _count(metrics: Sequence[Mapping[str, float]], key: str) -> int | None:
    return int(metrics[0][key]) if metrics and key in metrics[0] else None


def _mean(metrics: Sequence[Mapping[str, float]], key: str) -> float | None:
    values = [seed[key] for seed in metrics if key in seed]
    return statistics.mean(values) if values else None


def _setup(plan: PlanRecord, row: PlanRow) -> str:
    if row.published is None:
        return ""
    size = row.published["train_size"] or row.train_size
    same = (row.published["corpus"], row.published["encoder"]) == (plan.corpus, row.encoder)
    if not same or row.tuned or abs(row.train_size - size) > SAME_SIZE * size:
        return OTHER_SETUP
    return UNKNOWN_SETUP if row.published["setup"] is None else ""
