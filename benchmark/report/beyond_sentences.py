"""Findings and notes about challenge sets, by rules: a sentence is made from the figures that it states."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from benchmark.analysis.pairwise import TESTS, PairwiseTests
from benchmark.output import spell_amount
from benchmark.report.beyond import ChallengeRow, ChallengeVerdict
from benchmark.report.narrative import spell_p
from benchmark.report.rows import Verdict
from benchmark.results.results import PlanResults
from benchmark.tracking.challenges import scored_sets

MOST_PAIRS = 2  # pairs of models named per set
BEYOND = (
    "Beyond the test part: finished models label reviews of other kinds, which choose nothing. From test: accuracy "
    "there minus accuracy on the test part, with the 95 % interval for two independent samples (Newcombe 1998)."
)
OF_TEST = "made from the test part: the same reviews, so the interval of from test is wider than necessary."
CONSISTENCY = (
    "Both right, all right (consistency, Gardner et al. 2020): the share of pairs or groups whose reviews are all "
    "labelled correctly. Reviews of one group are alike; the other intervals and tests take them as independent."
)
SHIFTED_ECE = "ECE there: a model that errs more often without being less sure has a higher one than on the test part."
IN_TRAIN = (
    "In train: reviews of the set whose text the model was trained on or its epoch was chosen by; such an accuracy is "
    "too high."
)


def challenge_findings(challenges: Sequence[ChallengeVerdict], verdict: Verdict) -> Iterator[str]:
    """Say for each set which model is best on it, and which differences of two models the test part does not show.

    As in the other findings, a model that is no better on the test part than a constant answer is left out.
    """
    on_test = verdict.comparisons[max(verdict.comparisons)] if verdict.comparisons else None
    for found in challenges:
        rows = {row.row.name: row for row in found.scored if row.row.beats_majority}
        if found.tests is not None and on_test is not None and next(iter(found.tests.letters)) in rows:
            yield " ".join((_best(found, found.tests, rows), *_changed(found, found.tests, on_test, rows)))


def _best(found: ChallengeVerdict, tests: PairwiseTests, rows: Mapping[str, ChallengeRow]) -> str:
    best, *_ = tests.letters
    row = rows[best]
    assert row.drop is not None
    assert row.drop_interval is not None
    interval = f"{100 * row.drop_interval.low:+.2f} to {100 * row.drop_interval.high:+.2f}"
    tied = [pair.second for pair in tests.pairs if pair.first == best and not pair.separated]
    return (
        f"On {_reviews(found)} {best} has the highest accuracy, {100 * row.scores['judged'].mean:.2f} %, "
        f"{_apart(row.drop)} its test accuracy (95 % interval {interval}); it is "
        + (
            f"not significantly better than {', '.join(tied)}."
            if tied
            else "significantly better than every other model"
            + " scored on it" * (len(found.scored) < len(found.rows))
            + "."
        )
    )


def _changed(found: ChallengeVerdict, tests: PairwiseTests, on_test: PairwiseTests, rows: Collection[str]) -> list[str]:
    """Name pairs that the set separates and the test part does not, or in the other order; the widest gaps first."""
    said = []
    for pair in sorted(tests.pairs, key=lambda pair: -pair.difference):
        before = on_test.pair(pair.first, pair.second)
        if not pair.separated or before is None or not {pair.first, pair.second} <= set(rows):
            continue
        gap = f"{_apart(-pair.difference)} it on {_reviews(found)} (p {spell_p(pair.adjusted_p)})"
        if not before.separated:
            said.append(f"{pair.second} is not significantly different from {pair.first} on the test part and {gap}.")
        elif before.first == pair.second:
            said.append(f"{pair.second} is {_apart(before.difference)} {pair.first} on the test part and {gap}.")
    return said[:MOST_PAIRS]


def challenge_notes(results: PlanResults, challenges: Sequence[ChallengeVerdict]) -> list[str]:
    """Return what a reader of the sets' tables must know, a sentence or two each."""
    left_out = _left_out(results)
    if not challenges:
        return left_out
    notes = [BEYOND]
    if of_test := [found.results.name for found in challenges if found.results.of_test]:
        notes.append(f"{', '.join(of_test)}: {OF_TEST}")
    notes += [CONSISTENCY] * any(found.results.groups is not None for found in challenges)
    notes += [SHIFTED_ECE] * any("ece" in row.scores for found in challenges for row in found.scored)
    notes += [IN_TRAIN] * any(row.in_train for found in challenges for row in found.scored)
    tested: dict[str, list[str]] = {}
    for found in challenges:
        if found.tests is not None:
            tests = "; ".join(f"{TESTS[about]}, of these {about}" for about in found.tests.about)
            corrected = f"{tests}, with Holm's correction over {spell_amount(len(found.tests.pairs), 'pair')}"
            tested.setdefault(corrected, []).append(found.results.name)
    notes += [f"Rank on {', '.join(names)}: {tests}." for tests, names in tested.items()]
    for found in challenges:
        if missing := [row.row.name for row in found.rows if not row.scored and not row.row.plan.external]:
            evaluate = f"`python -m benchmark evaluate --on {found.results.name} --profile {results.plan.profile}`"
            notes.append(f"Not scored on {found.results.name}: {', '.join(missing)}. {evaluate} scores finished runs.")
    return notes + left_out


def _left_out(results: PlanResults) -> list[str]:
    """Name the runs whose record of a set does not fit."""
    kept = {(each.name, run_id) for each in results.challenges for run_id in each.logits}
    missing: dict[str, list[str]] = {}
    for run in results.runs:
        if run.run_id in results.logits:
            for name in scored_sets(run):
                if (name, run.run_id) not in kept:
                    missing.setdefault(name, []).append(run.name)
    return [
        f"Left out of {name}: {', '.join(runs)}, scored on other reviews of this name or not completely. "
        f"`python -m benchmark evaluate --on {name} --profile {results.plan.profile}` scores them again."
        for name, runs in sorted(missing.items())
    ]


def _reviews(found: ChallengeVerdict) -> str:
    return f"the revised reviews of {found.results.name}" if found.revised_alone else found.results.name


def _apart(difference: float) -> str:
    return f"{100 * abs(difference):.2f} points {'below' if difference < 0 else 'above'}"
