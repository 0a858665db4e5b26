"""The comparison table: one row per model and train size, made from the records alone, and its columns."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmark.output import spell_count, spell_figure, spell_seconds
from benchmark.report.beyond import ChallengeVerdict, judge_challenges
from benchmark.report.beyond_sentences import challenge_findings, challenge_notes
from benchmark.report.beyond_table import challenge_table
from benchmark.report.columns import MODEL, TRAINED_ON, Column, ReportTable, spell_spread
from benchmark.report.narrative import narrate
from benchmark.report.notes import report_notes
from benchmark.report.rows import Row, Verdict, make_verdict
from benchmark.results.results import PlanResults
from benchmark.tracking.records import Status
from data_pipeline.errors import one_line


def _state(row: Row) -> str:
    """Say why an incomplete row has no accuracy."""
    unfinished = [state.lower() for state in row.states if state != Status.FINISHED]
    if len(row.states) == 1:
        return "".join(unfinished)
    counts = {state: unfinished.count(state) for state in dict.fromkeys(unfinished)}
    return "incomplete: " + ", ".join(f"{count} {state}" for state, count in counts.items())


def _seeds(row: Row) -> str:
    return f"{row.states.count(Status.FINISHED)} of {len(row.states)}"


def _unstable(row: Row) -> str:
    return " (unstable)" if row.unstable_seeds else ""


def _published(row: Row) -> str | None:
    """Write the published figure; our difference from it only where the set-ups are the same."""
    if row.plan.published is None:
        return None
    figure = float(row.plan.published["test_accuracy"])
    if row.setup:
        return f"{figure:.2f} ({row.setup})"
    return f"{figure:.2f}" + (f" (ours {100 * row.accuracy - figure:+.2f})" if row.complete else "")


def _tuning(row: Row) -> tuple[float, int] | None:
    seconds, trials = row.cost.tuning_seconds, row.cost.tuning_trials
    return None if seconds is None or trials is None else (seconds, trials)


ACCURACY = Column("test accuracy, %", lambda row: row.scores.get("accuracy"), spell_spread, _state, _unstable)
BALANCED = Column("balanced, %", lambda row: row.scores.get("balanced_accuracy"), spell_spread)
CURVE = "Test accuracy, %, by training reviews"
NEARLY_EQUAL = 0.51  # share of the larger class
PUBLISHED = Column("published, %", _published)
QUALITY = (
    Column("rank", lambda row: row.letters),
    Column("seeds", lambda row: None if row.plan.external else _seeds(row)),
    ACCURACY,
    Column("95 % interval", lambda row: row.interval, lambda ends: f"{100 * ends.low:.2f} to {100 * ends.high:.2f}"),
    BALANCED,
    Column("F1, %", lambda row: row.scores.get("f1"), spell_spread),
    Column("ROC-AUC, %", lambda row: row.scores.get("roc_auc"), spell_spread),
    Column("log loss", lambda row: row.scores.get("log_loss"), lambda spread: spell_spread(spread, 1, digits=3)),
    Column("ECE, %", lambda row: row.scores.get("ece"), spell_spread),
    PUBLISHED,
)
COST = (
    Column("parameters", lambda row: row.cost.parameters, spell_count),
    Column("trained", lambda row: row.cost.trainable, spell_count),
    Column("train time", lambda row: row.cost.train_seconds, spell_seconds),
    Column("of which features", lambda row: row.cost.features_seconds, spell_seconds),
    Column("tuning", _tuning, lambda found: f"{spell_seconds(found[0])}, {found[1]} trials"),
    Column("inference, reviews/s", lambda row: row.cost.inference_reviews_per_second, "{:,.1f}".format),
    Column("one review, ms", lambda row: row.cost.latency_ms, spell_figure),
    Column("peak memory, MiB", lambda row: row.cost.peak_memory_mib, "{:,.0f}".format),
)


@dataclass(frozen=True, slots=True)
class Report:
    """A plan's report.

    Attributes:
        results: what it was made from.
        verdict: the figures.
        tables: quality, cost and, with several train sizes, accuracy by size; one per challenge set.
        findings: what the figures say, a sentence or two each.
        notes: conditions, and what the columns mean, a sentence or two each.
        challenges: the figures of each challenge set that any row was scored on.
    """

    results: PlanResults
    verdict: Verdict
    tables: tuple[ReportTable, ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    challenges: tuple[ChallengeVerdict, ...]

    @property
    def quality(self) -> pd.DataFrame:
        """How good each row is, cells as text."""
        return self.tables[0].frame

    @property
    def cost(self) -> pd.DataFrame:
        """What each row costs, cells as text."""
        return self.tables[1].frame

    @property
    def curve(self) -> pd.DataFrame | None:
        """Test accuracy by model and train size, cells as text; None where there is one size."""
        return next((table.frame for table in self.tables if table.title == CURVE), None)


def make_report(results: PlanResults) -> Report:
    """Make the report of a plan's results."""
    verdict = make_verdict(results)
    sizes = sorted(results.plan.train_sizes)
    names = (MODEL, TRAINED_ON) if len(sizes) > 1 else (MODEL,)
    begun = [row for row in verdict.rows if row.begun] or verdict.rows
    own = [row for row in verdict.rows if not row.plan.external]
    costs = [row for row in own if row in begun or any(column.value(row) is not None for column in COST)]
    # Where both classes are about equally frequent, the two accuracies are the same.
    needed = {
        BALANCED: (results.majority_accuracy or 0.5) > NEARLY_EQUAL,
        PUBLISHED: any(PUBLISHED.value(row) is not None for row in begun),
    }
    quality = [column for column in QUALITY if needed.get(column, True)]
    cost = [column for column in COST if any(column.value(row) is not None for row in costs)]
    tables = [ReportTable("Quality", (*names, *quality), begun), ReportTable("Cost", (*names, *cost), costs)]
    if len(sizes) > 1:
        models: dict[str, dict[int, Row]] = {}
        for row in own:
            models.setdefault(MODEL.text(row), {})[row.plan.train_size] = row
        models = {name: found for name, found in models.items() if any(row in begun for row in found.values())}
        columns = [Column(MODEL.title, lambda found: MODEL.text(next(iter(found.values()))))]
        columns += [_at_size(size) for size in sizes]
        tables.append(ReportTable(CURVE, columns, list(models.values())))
    challenges = judge_challenges(results, verdict)
    tables += map(challenge_table, challenges)
    findings = (*narrate(results, verdict), *challenge_findings(challenges, verdict))
    notes = (*report_notes(results, verdict), *challenge_notes(results, challenges))
    return Report(
        results, verdict, tuple(tables), tuple(map(one_line, findings)), tuple(map(one_line, notes)), challenges
    )


def _at_size(size: int) -> Column:
    return Column(
        f"{size:,}",
        lambda found: ACCURACY.value(found[size]),
        spell_spread,
        lambda found: _state(found[size]),
        lambda found: _unstable(found[size]),
    )
