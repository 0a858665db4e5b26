"""What a reader must know to read the table rightly: conditions, what the columns mean, what failed."""

from __future__ import annotations

from benchmark.output import spell_seconds
from benchmark.report.rows import Verdict
from benchmark.results.results import PlanResults
from benchmark.tracking.records import PlanRecord, PlanRow, Status

OTHER_SETUP, UNKNOWN_SETUP = "other set-up", "settings unknown"
NEARLY = 0.05  # train parts of sizes that differ by no more than this are called the same


def other_setup(plan: PlanRecord, row: PlanRow) -> str:
    """Why our figure and the published one must not be subtracted; empty where they may."""
    assert row.published is not None
    size = row.published["train_size"] or row.train_size
    same = (row.published["corpus"], row.published["encoder"]) == (plan.corpus, row.encoder)
    if not same or row.tuned or abs(row.train_size - size) > NEARLY * size:
        return OTHER_SETUP
    return UNKNOWN_SETUP if row.published["setup"] is None else ""


def report_notes(results: PlanResults, verdict: Verdict) -> tuple[str, ...]:
    """A sentence each."""
    plan = results.plan
    seeds = f"seed{'s' if len(plan.seeds) > 1 else ''} {', '.join(map(str, plan.seeds))}"
    notes = [
        f"Profile {plan.profile}: {plan.corpus}, {plan.spell_sizes()}, the same split for every model; {seeds}; "
        "the epoch of lowest val/loss, scored on test once."
    ]
    if plan.held_out_test:
        notes.append("The test part is held out of the corpus's training reviews: these are no official-test figures.")
    encoders = {row.encoder for row in plan.rows if row.encoder}
    if encoders:
        notes.append(f"Encoder of the BERT rows: {', '.join(sorted(encoders))}.")
    notes += _machine_notes(results)
    if any(row.complete for row in verdict.rows):
        notes += _legend(plan, verdict)
    notes += dict.fromkeys(_tuned_note(row) for row in plan.rows if row.tuned)
    notes += sorted({_published_note(plan, row) for row in plan.rows if row.published and other_setup(plan, row)})
    for row in plan.rows:
        for run in results.of(row):
            if run is not None and run.error and run.status is not Status.FINISHED:
                notes.append(f"{run.name} {run.status.value.lower()}: {run.error} (MLflow run {run.run_id})")
    return tuple(notes)


def _machine_notes(results: PlanResults) -> list[str]:
    """What computed the finished runs: another machine or precision takes another time and gives other figures."""
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
        notes.append("Times of different machines do not compare.")
    return notes


def _legend(plan: PlanRecord, verdict: Verdict) -> list[str]:
    """What the columns mean."""
    notes = []
    if len(plan.seeds) > 1:
        notes.append(
            "Mean ± standard deviation over seeds; the interval is for the mean accuracy over seeds and over reviews "
            "like these."
        )
    else:
        notes.append("The interval is for this one network on reviews like these; another seed gives another network.")
    for size, comparison in verdict.comparisons.items():
        trained = f" (trained on {size:,})" if len(plan.train_sizes) > 1 else ""
        notes.append(
            f"Rank{trained}: rows that share a letter are not separated at 5 % by {comparison.test} with Holm's "
            f"correction over {len(comparison.pairs)} pairs; this is about these {comparison.about}."
        )
    notes.append("ECE: expected calibration error, 15 bins. Train time includes a frozen encoder's pass.")
    return notes


def _tuned_note(row: PlanRow) -> str:
    """What finding the row's settings has cost, which its train time does not count."""
    assert row.tuned is not None
    trials = row.tuned["complete"] + row.tuned["pruned"]
    others = row.tuned.get("changed", [])  # records of before have none
    changed = f"; not as they were found: {', '.join(others)}" if others else ""
    return (
        f"Settings of {row.experiment}: tuned on val ({row.tuned['metric']}) by {trials} trials, "
        f"{spell_seconds(row.tuned['seconds'])} in all, beside its train time (study {row.tuned['study']}, trial "
        f"{row.tuned['trial']}{changed})."
    )


def _published_note(plan: PlanRecord, row: PlanRow) -> str:
    """Under what conditions a figure was obtained that ours must not be compared with as if they were the same."""
    assert row.published is not None
    encoder = f", {row.published['encoder']}" if row.published["encoder"] else ""
    where = f"{row.published['source']}, {row.published['corpus']}{encoder}"
    if other_setup(plan, row) == UNKNOWN_SETUP:
        return f"Published, {UNKNOWN_SETUP}: {where}, does not give its settings; {row.experiment} has ours here."
    return f"Published, {OTHER_SETUP}: {where}; {row.published['setup'] or UNKNOWN_SETUP}."
