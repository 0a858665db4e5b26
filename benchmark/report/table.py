"""The comparison table: one row a model and train size, made from the records alone, and what it means."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmark.output import spell_seconds
from benchmark.report.narrative import narrate
from benchmark.report.notes import other_setup, report_notes
from benchmark.report.rows import Cost, Row, Spread, Verdict, make_verdict
from benchmark.results.results import PlanResults
from benchmark.tracking.records import PlanRecord, Status

MODEL, TRAINED_ON, ACCURACY = "model", "trained on", "test accuracy, %"
INTERVAL, PUBLISHED = "95 % interval", "published, %"
QUALITY = ("rank", "seeds", ACCURACY, INTERVAL, "F1, %", "ROC-AUC, %", "log loss", "ECE, %", PUBLISHED)
COST = (
    *("parameters", "trained", "train time", "of it features", "tuning"),
    *("inference, reviews/s", "one review, ms", "peak memory, MiB"),
)
CURVE_TITLE = "Test accuracy, %, by the number of reviews trained on"


@dataclass(frozen=True, slots=True)
class Report:
    """A plan's report: figures, the tables made of them, and the sentences that belong to them.

    Attributes:
        results: what it was made from.
        verdict: the figures.
        quality: how good each row is, cells as text.
        cost: what that costs, cells as text.
        curve: test accuracy by model and train size, cells as text; None where there is one size.
        findings: what the figures say, a sentence or two each.
        notes: what a reader must know to read the tables rightly, a sentence each.
    """

    results: PlanResults
    verdict: Verdict
    quality: pd.DataFrame
    cost: pd.DataFrame
    curve: pd.DataFrame | None
    findings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def tables(self) -> list[tuple[str, pd.DataFrame]]:
        """Title and table of each that there is."""
        found = [("", self.quality), ("What it costs", self.cost)]
        return found if self.curve is None else [*found, (CURVE_TITLE, self.curve)]


def make_report(results: PlanResults) -> Report:
    """The report of a plan's results."""
    plan, verdict = results.plan, make_verdict(results)
    several = len(plan.train_sizes) > 1
    quality = pd.DataFrame([_names(row, several=several) | _quality(plan, row) for row in verdict.rows])
    cost = pd.DataFrame([_names(row, several=several) | _cost(row.cost) for row in verdict.rows])
    cost = cost.loc[:, [name for name in cost if name not in COST or (cost[name] != "").any()]]
    findings = narrate(plan, verdict)
    return Report(results, verdict, quality, cost, _curve(plan, verdict), findings, report_notes(results, verdict))


def _names(row: Row, *, several: bool) -> dict[str, str]:
    name = f"{row.name} (baseline)" if row.plan.baseline else row.name
    return {MODEL: name, TRAINED_ON: f"{row.plan.train_size:,}"} if several else {MODEL: name}


def _quality(plan: PlanRecord, row: Row) -> dict[str, str]:
    cells = dict.fromkeys(QUALITY, "") | {"seeds": f"{row.finished} of {len(row.states)}", ACCURACY: _state(row)}
    if row.accuracy is not None:
        low, high = row.accuracy.interval
        cells |= {
            "rank": row.letters,
            ACCURACY: spell_spread(Spread.of(row.accuracies), 100),
            INTERVAL: f"{100 * low:.2f} to {100 * high:.2f}",
            "F1, %": spell_spread(row.scores["f1"], 100),
            "ROC-AUC, %": spell_spread(row.scores["roc_auc"], 100),
            "log loss": spell_spread(row.scores["log_loss"], 1, digits=3),
            "ECE, %": spell_spread(row.scores["ece"], 100),
        }
    return cells | {PUBLISHED: _published(plan, row)}


def _cost(cost: Cost) -> dict[str, str]:
    return {
        "parameters": spell_count(cost.parameters),
        "trained": spell_count(cost.trainable),
        "train time": _seconds(cost.train_seconds),
        "of it features": _seconds(cost.features_seconds),
        "tuning": _tuning(cost),
        "inference, reviews/s": _number(cost.inference_reviews_per_second, 1),
        "one review, ms": _number(cost.latency_ms, 1),
        "peak memory, MiB": _number(cost.peak_memory_mib, 0),
    }


def _tuning(cost: Cost) -> str:
    if cost.tuning_seconds is None:
        return ""
    return f"{spell_seconds(cost.tuning_seconds)}, {cost.tuning_trials} trials"


def _curve(plan: PlanRecord, verdict: Verdict) -> pd.DataFrame | None:
    if len(plan.train_sizes) == 1:
        return None
    cells: dict[str, dict[str, str]] = {}
    for row in verdict.rows:
        accuracy = spell_spread(Spread.of(row.accuracies), 100) if row.complete else _state(row)
        cells.setdefault(_names(row, several=False)[MODEL], {})[f"{row.plan.train_size:,}"] = accuracy
    sizes = [f"{size:,}" for size in sorted(plan.train_sizes)]
    return pd.DataFrame([{MODEL: name} | {size: found[size] for size in sizes} for name, found in cells.items()])


def _state(row: Row) -> str:
    """What an incomplete row says instead of a figure."""
    open_states = [state.lower() for state in row.states if state != Status.FINISHED]
    if len(row.states) == 1:
        return "".join(open_states)
    counts = {state: open_states.count(state) for state in dict.fromkeys(open_states)}
    return "incomplete: " + ", ".join(f"{count} {state}" for state, count in counts.items())


def _published(plan: PlanRecord, row: Row) -> str:
    """The published figure; our difference from it only where nothing is against it."""
    if row.plan.published is None:
        return ""
    figure = float(row.plan.published["test_accuracy"])
    if setup := other_setup(plan, row.plan):
        return f"{figure:.2f} ({setup})"
    return f"{figure:.2f}" + (f" (ours {100 * row.accuracy.accuracy - figure:+.2f})" if row.accuracy else "")


def spell_spread(spread: Spread, scale: float, digits: int = 2) -> str:
    """`86.00`, or `86.00 ± 0.50` over seeds."""
    mean = f"{scale * spread.mean:.{digits}f}"
    return mean if spread.sd is None else f"{mean} ± {scale * spread.sd:.{digits}f}"


def spell_count(count: float | None) -> str:
    """`22.6 M`, `17.3 k` or `842`."""
    if count is None:
        return ""
    # Each begins where the smaller one would be rounded up to a thousand.
    for begin, size, letter in ((999_950, 1e6, "M"), (999.5, 1e3, "k")):
        if count >= begin:
            return f"{count / size:.1f} {letter}"
    return f"{count:.0f}"


def _seconds(value: float | None) -> str:
    return "" if value is None else spell_seconds(value)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
