"""The notes below the table: conditions, what the columns mean, what failed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.analysis.pairwise import TESTS, About
from benchmark.output import spell_amount, spell_seconds
from benchmark.report.rows import UNKNOWN_SETUP, Row, Verdict
from benchmark.results.results import PlanResults
from benchmark.tracking.records import (
    KNOWN_VECTORS,
    MANY_UNKNOWN,
    UNKNOWN_TOKENS,
    UNREADABLE_REVIEWS,
    PlanRecord,
    PlanRow,
    Status,
)
from data_pipeline.split import CLASSES

EXPLAINED: dict[About, str] = {
    "methods": "The t-test asks whether networks of other seeds, on other reviews, would differ too.",
    "networks": "McNemar's test: of the reviews that only one of two networks labels correctly, equally accurate "
    "networks would have half each.",
}
SEVERAL_BESIDE_ONE = (
    "A model with one seed is compared with each network of a model with several; the largest p counts, and the "
    "difference is that of the mean accuracies."
)
EXTERNAL = "External: predictions of another system, imported by file; its costs and its training are not known here."
PARTS = ("train", "val", "test")
BALANCED_ACCURACY = (
    "Balanced accuracy (balanced): the mean of two shares, of the negative and of the positive reviews that are "
    "labelled correctly; a model that always gives the same answer has 50 %."
)
UNSTABLE = (
    "Unstable: train/loss of an epoch was above the first epoch's, or above chance after it was below. The run counts, "
    "but another seed or processor may give quite another figure; a lower `training.learning_rate` or "
    "`training.max_grad_norm` may help."
)
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
    seeds = f"seed{'s' if len(plan.seeds) > 1 else ''} {plan.spell_seeds()}"
    named = f", plan {results.entry}" if results.entry.name else ""
    notes = [
        f"Profile {plan.profile}{named}: {plan.corpus}, {plan.spell_sizes()}, the same split for every model; {seeds}; "
        "the epoch of lowest val/loss is scored on test once."
    ]
    if plan.held_out_test:
        notes.append("The test part is held out of the corpus's training reviews: these are no official test figures.")
    begun = [row.plan for row in verdict.rows if row.begun] or plan.rows
    if encoders := {row.encoder for row in begun if row.encoder}:
        notes.append(f"Encoder of the BERT rows: {', '.join(sorted(encoders))}.")
    notes += [*plan.audit, *_majority_notes(results), *_unknown_notes(results), *_machine_notes(results)]
    if any(row.complete for row in verdict.rows):
        notes += _legend(plan, verdict)
    notes += [UNSTABLE] * any(row.unstable_seeds for row in verdict.rows)
    notes += dict.fromkeys(_tuned_note(row) for row in plan.rows if row.tuned)
    notes += sorted({_published_note(row) for row in verdict.rows if row.setup})
    for row in plan.rows:
        for run in results.of(row):
            if run is not None and run.error and run.status is not Status.FINISHED:
                notes.append(f"{run.name} {run.status.value.lower()}: {run.error} (MLflow run {run.run_id})")
    return tuple(notes)


def _majority_notes(results: PlanResults) -> list[str]:
    """Say what accuracy a model reaches that reads no review."""
    if (share := results.majority_accuracy) is None:
        return []
    said = f"Always answering {CLASSES[results.larger_class]} is right for {100 * share:.2f} % of the test reviews"
    return [f"{said}."] if share == 0.5 else [f"{said}; its balanced accuracy is 50 %.", BALANCED_ACCURACY]


def _unknown_notes(results: PlanResults) -> list[str]:
    """Say which share of the tokens the vocabularies lack, and how many reviews have no other tokens."""
    parts, notes = " / ".join(PARTS), []
    if shares := _by_part(results, UNKNOWN_TOKENS):
        groups = [f"{names} {' / '.join(f'{100 * each:.1f}' for each in found)} %" for found, names in shares.items()]
        notes.append(f"Unknown tokens (the vocabulary lacks them), {parts}: {'; '.join(groups)}.")
    if many := [names for found, names in shares.items() if max(found) > MANY_UNKNOWN]:
        notes.append(
            f"Warning: more than {100 * MANY_UNKNOWN:.0f} % of the tokens are unknown to {', '.join(many)}: such a "
            "model reads only a part of the text."
        )
    unreadable = _by_part(results, UNREADABLE_REVIEWS)
    groups = [
        f"{names} {' / '.join(f'{each:,.0f}' for each in found)}" for found, names in unreadable.items() if any(found)
    ]
    if groups:
        notes.append(f"Reviews without a known token, {parts}: {'; '.join(groups)}.")
    if known := _by_metrics(results, [KNOWN_VECTORS]):
        groups = [f"{names} {100 * share:.1f} %" for (share,), names in known.items()]
        notes.append(f"Words of the vocabulary that begin with a vector learned before: {'; '.join(groups)}.")
    return notes


def _by_part(results: PlanResults, metric: str) -> dict[tuple[float, ...], str]:
    """Return the models by their values of a metric of train, val and test."""
    return _by_metrics(results, [f"{metric}{part}" for part in PARTS])


def _by_metrics(results: PlanResults, keys: Sequence[str]) -> dict[tuple[float, ...], str]:
    """Return the models by their values of these metrics; older records, and other models, have none."""
    found: dict[tuple[float, ...], list[str]] = {}
    for row in results.plan.rows:
        size = f" (trained on {row.train_size:,})" if len(results.plan.train_sizes) > 1 else ""
        for run in results.finished(row)[:1]:  # all seeds read the same reviews
            if run.metrics.keys() >= set(keys):
                found.setdefault(tuple(run.metrics[key] for key in keys), []).append(f"{row.experiment}{size}")
    return {values: ", ".join(names) for values, names in found.items()}


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
    own = [row for row in verdict.rows if row.complete and not row.plan.external]
    several, single = ([row.name for row in own if (len(row.accuracies) > 1) is more] for more in (True, False))
    external = any(row.complete and row.plan.external for row in verdict.rows)
    notes = []
    if several:
        notes.append(
            "Mean ± standard deviation over seeds; the interval is for the mean accuracy over seeds and over reviews "
            "like these."
        )
    if single:
        of_these = f" of {', '.join(dict.fromkeys(single))}" if several else ""
        notes.append(
            f"The interval{of_these} is for this one network on reviews like these; another seed gives another network."
        )
    for size, comparison in verdict.comparisons.items():
        trained = f" (trained on {size:,})" if len(plan.train_sizes) > 1 else ""
        tests = "; ".join(f"{TESTS[about]}, of these {about}" for about in comparison.about)
        notes.append(
            f"Rank{trained}: models that share a letter are not significantly different at 5 %; a is the best group. "
            f"Test: {tests}, with Holm's correction over {spell_amount(len(comparison.pairs), 'pair')}."
        )
    found = {about for comparison in verdict.comparisons.values() for about in comparison.about}
    notes += [text for about, text in EXPLAINED.items() if about in found]
    notes += [EXTERNAL] * external
    notes += [SEVERAL_BESIDE_ONE] * bool(several and (single or external) and verdict.comparisons)
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
