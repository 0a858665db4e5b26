"""The figures of each model on challenge sets: accuracy there, the drop from the test part, tests between models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmark.analysis.intervals import ConfidenceInterval, accuracy_interval
from benchmark.analysis.metrics import expected_calibration_error
from benchmark.analysis.pairwise import PairwiseTests, compare_all
from benchmark.analysis.shift import difference_interval, groups_right
from benchmark.report.rows import Row, Spread, Verdict
from benchmark.results.results import ChallengeResults, PlanResults
from benchmark.tracking.challenges import METRIC
from benchmark.tracking.records import RunRecord


@dataclass(frozen=True, slots=True)
class ChallengeRow:
    """One model on one set; without figures where not all seeds were scored on it. Shares are 0 to 1.

    Attributes:
        row: of the table of the test part.
        scores: accuracy, original, revised, consistency and ece over seeds, as far as they are known; `judged` is
            the accuracy on the reviews that count.
        interval: 95 %, for the mean accuracy.
        judged_interval: 95 %, for the mean accuracy on the reviews that count.
        consistency_interval: 95 %, for the mean consistency.
        in_train: reviews of the set whose text train or val of any of its runs has.
        drop: accuracy on the reviews that count - accuracy on the test part.
        drop_interval: 95 %, for two independent samples.
        letters: rank among the models scored on the set; empty where there is one.
    """

    row: Row
    scores: Mapping[str, Spread] = field(default_factory=dict)
    interval: ConfidenceInterval | None = None
    judged_interval: ConfidenceInterval | None = None
    consistency_interval: ConfidenceInterval | None = None
    in_train: int = 0
    drop: float | None = None
    drop_interval: ConfidenceInterval | None = None
    letters: str = ""

    @property
    def scored(self) -> bool:
        """Return whether all its runs were scored on the set."""
        return bool(self.scores)


@dataclass(frozen=True, slots=True)
class ChallengeVerdict:
    """One set: the begun rows of the largest train size in the order of the plan, and tests where two are scored.

    Attributes:
        revised_alone: a run trained on originals, so that rank, drop, ECE and findings are of revisions alone.
        judged: reviews that rank, drop, ECE and findings are of.
    """

    results: ChallengeResults
    rows: tuple[ChallengeRow, ...]
    tests: PairwiseTests | None
    revised_alone: bool
    judged: int

    @property
    def scored(self) -> list[ChallengeRow]:
        """Return the rows that were scored."""
        return [row for row in self.rows if row.scored]

    @property
    def paired(self) -> bool:
        """Return whether each group is a pair."""
        groups = self.results.groups
        return groups is not None and bool((np.unique(groups.astype(str), return_counts=True)[1] == 2).all())


def judge_challenges(results: PlanResults, verdict: Verdict) -> tuple[ChallengeVerdict, ...]:
    """Compute the figures of the models of the largest train size with a comparison, else with a complete row."""
    complete = [row.plan.train_size for row in verdict.rows if row.complete]
    size = max(verdict.comparisons or complete or results.plan.train_sizes)
    rows = [row for row in verdict.rows if row.plan.train_size == size and row.begun]
    found = (_judge(challenge, rows) for challenge in results.challenges)
    return tuple(each for each in found if each.scored)


def _judge(challenge: ChallengeResults, rows: Sequence[Row]) -> ChallengeVerdict:
    runs = {row.name: _scored_runs(challenge, row) for row in rows}
    leaked = any(challenge.in_train[run.run_id].any() for found in runs.values() for run in found)
    revised_alone = leaked and challenge.original is not None
    judged = np.full(len(challenge.ids), True)
    if revised_alone and challenge.original is not None:
        judged = ~challenge.original
    correct = {name: _correct(challenge, found) for name, found in runs.items() if found}
    tests = compare_all({name: each[:, judged] for name, each in correct.items()}) if len(correct) > 1 else None
    letters = tests.letters if tests is not None else {}
    judged_rows = [
        _row(challenge, row, runs[row.name], judged, letters.get(row.name, "")) if runs[row.name] else ChallengeRow(row)
        for row in rows
    ]
    return ChallengeVerdict(challenge, tuple(judged_rows), tests, revised_alone, int(judged.sum()))


def _scored_runs(challenge: ChallengeResults, row: Row) -> list[RunRecord]:
    """Return the runs of a complete row; none where one of them was not scored on the set."""
    runs = [run for run in row.runs if run is not None and run.run_id in challenge.logits]
    return runs if row.complete and len(runs) == len(row.runs) else []


def _correct(challenge: ChallengeResults, runs: Sequence[RunRecord]) -> np.ndarray:
    return np.stack([challenge.logits[run.run_id].argmax(axis=1) == challenge.labels for run in runs])


def _row(
    challenge: ChallengeResults, row: Row, runs: Sequence[RunRecord], judged: np.ndarray, letters: str
) -> ChallengeRow:
    correct = _correct(challenge, runs)
    parts = {"accuracy": correct, "judged": correct[:, judged]}
    if challenge.original is not None:
        parts |= {"original": correct[:, challenge.original], "revised": correct[:, ~challenge.original]}
    if challenge.groups is not None:
        parts["consistency"] = groups_right(correct, challenge.groups)
    scores = {name: Spread.of([float(seed.mean()) for seed in part]) for name, part in parts.items()}
    if all(METRIC.format(name=challenge.name, score="ece") in run.metrics for run in runs):  # labels alone have none
        logits = [challenge.logits[run.run_id][judged] for run in runs]
        scores["ece"] = Spread.of([expected_calibration_error(challenge.labels[judged], each) for each in logits])
    assert row.interval is not None
    accuracy, test = scores["judged"].mean, row.accuracy
    judged_interval = accuracy_interval(parts["judged"])
    return ChallengeRow(
        row,
        scores,
        accuracy_interval(correct),
        judged_interval,
        accuracy_interval(parts["consistency"]) if "consistency" in parts else None,
        int(np.any([challenge.in_train[run.run_id] for run in runs], axis=0).sum()),
        accuracy - test,
        difference_interval(accuracy, judged_interval, test, row.interval),
        letters,
    )
