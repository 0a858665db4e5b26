"""The notes below the table: conditions, what the columns mean, what failed."""

from __future__ import annotations

from benchmark.output import spell_seconds
from benchmark.report.rows import UNKNOWN_SETUP, Row, Verdict
from benchmark.results.results import PlanResults
from benchmark.tracking.records import PlanRecord, PlanRow, Status

TESTS = {
    "networks": "McNemar's test: of the reviews that only one of two networks labels correctly, equally accurate "
    "networks would have half each.",
    "methods": "The t-test asks whether networks of other seeds, on other reviews, would differ too.",
}
LEGEND = (
    "Holm's correction: the more pairs, the smaller p each must reach; the risk to call any equal pair different stays "
    "below 5 %.",
    "Log loss: mean of -ln(probability given to the true label), in nats; 0.693 is guessing, lower is better.",
    "ECE: expected calibration error, the mean gap between how sure a model is and how often it is right (15 bins).",
    "Pareto front: the models for which no other model is at least as accurate and costs no more.",
)


def report_notes(results: PlanResults, verdict: Verdict) -> tuple[str, ...]:
    """Return the notes, a sentence or two each."""
    plan = results.plan
    seeds = f"seed{'s' if len(plan.seeds) > 1 else ''} {', '.join(map(str, plan.seeds))}"
    notes = [
        f"Profile {plan.profile}: {plan.corpus}, {plan.spell_sizes()}, the same split for every model; {seeds}; "
        "the epoch of lowest val/loss is scored on test once."
    ]
    if plan.held_out_test:
        notes.append("The test part is held out of the corpus's training reviews: these are no official test figures.")
    if encoders := {row.encoder for row in plan.rows if row.encoder}:
        notes.append(f"Encoder of the BERT rows: {', '.join(sorted(encoders))}.")
    notes += _machine_notes(results)
    if any(row.complete for row in verdict.rows):
        notes += _legend(plan, verdict)
    notes += dict.fromkeys(_tuned_note(row) for row in plan.rows if row.tuned)
    notes += sorted({_published_note(row) for row in verdict.rows if row.setup})
    for row in plan.rows:
        for run in results.of(row):
            if run is not None and run.error and run.status is not Status.FINISHED:
                notes.append(f"{run.name} {run.status.value.lower()}: {run.error} (MLflow run {run.run_id})")
    return tuple(notes)


def _machine_notes(results: PlanResults) -> list[str]:
    """Name what computed the finished runs: another machine or precision gives other times and figures."""
    rows: dict[tuple[str, str], dict[str, None]] = {}
    for row in results.plan.rows:
        for run in results.finished(row):
            if {"hardware", "precision"} <= run.tags.keys():
                rows.setdefault((run.tags["hardware"], run.tags["precision"]), {})[row.experiment] = None
    notes = [
        f"Computed on {hardware} in {precision}" + (f": {', '.join(names)}." if len(rows) > 1 else ".")
        for (hardware, precision), names in rows.items()
    ]
    if len({hardware for hardware, _ in rows}) > 1:
        notes.append("Times of different machines cannot be compared.")
    return notes


def _legend(plan: PlanRecord, verdict: Verdict) -> list[str]:
    """Explain the columns."""
    if len(plan.seeds) > 1:
        notes = [
            "Mean ± standard deviation over seeds; the interval is for the mean accuracy over seeds and over reviews "
            "like these."
        ]
    else:
        notes = ["The interval is for this one network on reviews like these; another seed gives another network."]
    for size, comparison in verdict.comparisons.items():
        trained = f" (trained on {size:,})" if len(plan.train_sizes) > 1 else ""
        count = len(comparison.pairs)
        notes.append(
            f"Rank{trained}: models that share a letter are not significantly different at 5 %; a is the best group. "
            f"Test: {comparison.test}, of these {comparison.about}, with Holm's correction over {count} "
            f"pair{'s' if count > 1 else ''}."
        )
    notes += dict.fromkeys(TESTS[comparison.about] for comparison in verdict.comparisons.values())
    notes += LEGEND if verdict.comparisons else LEGEND[1:-1]
    return [*notes, "Train time includes a frozen encoder's pass over the reviews (features)."]


def _tuned_note(row: PlanRow) -> str:
    """Say what the search for the row's settings took, which its train time does not count."""
    assert row.tuned is not None
    trials = row.tuned["complete"] + row.tuned["pruned"]
    others = row.tuned.get("changed", [])  # older records have none
    changed = f"; changed since: {', '.join(others)}" if others else ""
    return (
        f"Settings of {row.experiment}: tuned on val ({row.tuned['metric']}) by {trials} trials, "
        f"{spell_seconds(row.tuned['seconds'])} in all, not counted in train time (study {row.tuned['study']}, trial "
        f"{row.tuned['trial']}{changed})."
    )


def _published_note(row: Row) -> str:
    """Say under which conditions a published figure was obtained that cannot be subtracted from ours."""
    published = row.plan.published
    assert published is not None
    encoder = f", {published['encoder']}" if published["encoder"] else ""
    where = f"{published['source']}, {published['corpus']}{encoder}"
    if row.setup == UNKNOWN_SETUP:
        return f"Published, {row.setup}: {where}, does not give its settings; {row.plan.experiment} has ours here."
    return f"Published, {row.setup}: {where}; {published['setup'] or UNKNOWN_SETUP}."
