"""The comparison table: one row a model of the latest plan, made from the records alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from benchmark.progress import spell_seconds
from benchmark.records import PlanRecord, PlanRow, RunRecord, Status, Throughput, best_run

ACCURACY = "test accuracy, %"
MEASURED = (ACCURACY, "F1, %", "parameters", "trained", "train time")
TRAINED_ON = "trained on"
CURVE_TITLE = "Test accuracy, %, by the number of reviews trained on"
OTHER_SETUP, UNKNOWN_SETUP = "other set-up", "settings unknown"
NEARLY = 0.05  # train parts of sizes that differ by no more than this are called the same


@dataclass(frozen=True, slots=True)
class Report:
    """The table and the sentences that belong to it.

    Attributes:
        table: one row a model and train size, cells as text.
        curve: test accuracy by model and train size, cells as text; None where there is one size.
        notes: what a reader must know to read the table rightly, a sentence each.
    """

    table: pd.DataFrame
    curve: pd.DataFrame | None
    notes: tuple[str, ...]

    def render(self, form: str) -> str:
        """The report as `terminal`, `markdown`, `csv` (the table alone) or `latex` (booktabs, notes as comments)."""
        forms = {"terminal": self._terminal, "markdown": self._markdown, "csv": self._csv, "latex": self._latex}
        return forms[form]()

    def _terminal(self) -> str:
        return self._with_notes("rounded_outline", "")

    def _markdown(self) -> str:
        return self._with_notes("pipe", "- ")

    def _with_notes(self, style: str, bullet: str) -> str:
        tables = [_tabulated(self.table, style, last="left")]
        if self.curve is not None:
            tables += [f"{CURVE_TITLE}:", _tabulated(self.curve, style, last="right")]
        return "\n\n".join([*tables, "".join(f"{bullet}{note}\n" for note in self.notes)])

    def _csv(self) -> str:
        return self.table.to_csv(index=False)

    def _latex(self) -> str:
        notes = "".join(f"% {note}\n" for note in self.notes)
        tables = [self.table] if self.curve is None else [self.table, self.curve]
        escaped = [table.rename(columns=_escape_latex).map(_escape_latex) for table in tables]
        return notes + f"\n% {CURVE_TITLE}\n".join(str(table.to_latex(index=False)) for table in escaped)


def _tabulated(table: pd.DataFrame, style: str, last: str) -> str:
    alignment = ["left", *["right"] * (len(table.columns) - 2), last]
    return str(table.to_markdown(index=False, tablefmt=style, disable_numparse=True, colalign=alignment))


def make_report(
    plan: PlanRecord, runs: Sequence[RunRecord], speeds: Mapping[str, Throughput] = MappingProxyType({})
) -> Report:
    """The table of a plan.

    Args:
        plan: what is wanted; decides the rows and their order.
        runs: all runs of the profile, newest first; those of other settings are not looked at.
        speeds: what `throughput` measured, by fingerprint; without any, the table has no columns for it.
    """
    table = pd.DataFrame([_row(plan, row, runs, speeds) for row in plan.rows])
    if len(plan.train_sizes) == 1:
        return Report(table.drop(columns=TRAINED_ON), None, _notes(plan, runs))
    curve = table.pivot(index="model", columns=TRAINED_ON, values=ACCURACY)
    curve = curve.loc[list(dict.fromkeys(table["model"])), [f"{size:,}" for size in sorted(plan.train_sizes)]]
    return Report(table, curve.reset_index().rename_axis(columns=None), _notes(plan, runs))


def _row(plan: PlanRecord, row: PlanRow, runs: Sequence[RunRecord], speeds: Mapping[str, Throughput]) -> dict[str, str]:
    found = [best_run(runs, row.fingerprint, seed) for seed in plan.seeds]
    finished = [run.metrics for run in found if run is not None and run.status is Status.FINISHED]
    complete = len(finished) == len(plan.seeds)
    # A mean over a part of the seeds would pass for the row's result, so an incomplete row has none.
    measured = _measured(finished) if complete else dict.fromkeys(MEASURED, "") | {ACCURACY: _state(found)}
    accuracy = statistics.mean(100 * metrics["test/accuracy"] for metrics in finished) if complete else None
    return {
        "model": f"{row.experiment} (tuned)" if row.tuned else row.experiment,
        TRAINED_ON: f"{row.train_size:,}",
        "seeds": f"{len(finished)} of {len(plan.seeds)}",
        **measured,
        **_speed(row, speeds),
        "published, %": _published(plan, row, accuracy),
    }


def _speed(row: PlanRow, speeds: Mapping[str, Throughput]) -> dict[str, str]:
    """The cells that say what an answer costs."""
    if not speeds:
        return {}
    speed = speeds.get(row.fingerprint)
    return {
        "inference, reviews/s": f"{speed.inference_reviews_per_second:,.1f}" if speed else "",
        "one review, ms": f"{speed.latency_p50_ms:.1f}" if speed else "",
    }


def _measured(metrics: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """The cells of a complete row, from each seed's metrics."""
    return {
        ACCURACY: _mean_and_deviation([100 * seed["test/accuracy"] for seed in metrics]),
        "F1, %": _mean_and_deviation([100 * seed["test/f1"] for seed in metrics]),
        "parameters": _spell_count(metrics[0]["parameters_total"]),
        "trained": _spell_count(metrics[0]["parameters_trainable"]),
        # A frozen encoder's one pass over the reviews belongs to the price, whichever run paid it.
        "train time": spell_seconds(
            statistics.mean(seed["train_seconds"] + seed.get("features_seconds", 0.0) for seed in metrics)
        ),
    }


def _state(found: Sequence[RunRecord | None]) -> str:
    """What an incomplete row says instead of a figure."""
    counts: dict[str, int] = {}
    for run in found:
        if run is None or run.status is not Status.FINISHED:
            word = "missing" if run is None else run.status.value.lower()
            counts[word] = counts.get(word, 0) + 1
    if len(found) == 1:
        return next(iter(counts))
    return "incomplete: " + ", ".join(f"{count} {word}" for word, count in counts.items())


def _published(plan: PlanRecord, row: PlanRow, accuracy: float | None) -> str:
    """The published figure; our difference from it only where `_other_setup` finds nothing against it."""
    if row.published is None:
        return ""
    figure = float(row.published["test_accuracy"])
    if setup := _other_setup(plan, row):
        return f"{figure:.2f} ({setup})"
    return f"{figure:.2f}" + (f" (ours {accuracy - figure:+.2f})" if accuracy is not None else "")


def _other_setup(plan: PlanRecord, row: PlanRow) -> str:
    """Why our figure and the published one must not be subtracted; empty where they may."""
    assert row.published is not None
    size = row.published["train_size"] or row.train_size
    same = (row.published["corpus"], row.published["encoder"]) == (plan.corpus, row.encoder)
    if not same or abs(row.train_size - size) > NEARLY * size:
        return OTHER_SETUP
    return UNKNOWN_SETUP if row.published["setup"] is None else ""


def _published_note(plan: PlanRecord, row: PlanRow) -> str:
    """Under what conditions a figure was obtained that ours must not be compared with as if they were the same."""
    assert row.published is not None
    encoder = f", {row.published['encoder']}" if row.published["encoder"] else ""
    where = f"{row.published['source']}, {row.published['corpus']}{encoder}"
    if _other_setup(plan, row) == UNKNOWN_SETUP:
        return f"Published, {UNKNOWN_SETUP}: {where}, does not give its settings; {row.experiment} has ours here."
    return f"Published, {OTHER_SETUP}: {where}; {row.published['setup'] or UNKNOWN_SETUP}."


def _tuned_note(row: PlanRow) -> str:
    """What finding the row's settings has cost, which its train time does not count."""
    assert row.tuned is not None
    trials = row.tuned["complete"] + row.tuned["pruned"]
    return (
        f"Settings of {row.experiment}: tuned on val ({row.tuned['metric']}) by {trials} trials, "
        f"{spell_seconds(row.tuned['seconds'])} in all, beside its train time (study {row.tuned['study']}, trial "
        f"{row.tuned['trial']})."
    )


def _notes(plan: PlanRecord, runs: Sequence[RunRecord]) -> tuple[str, ...]:
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
    if len(plan.seeds) > 1:
        notes.append("Mean ± standard deviation over seeds.")
    notes += dict.fromkeys(_tuned_note(row) for row in plan.rows if row.tuned)
    notes += sorted({_published_note(plan, row) for row in plan.rows if row.published and _other_setup(plan, row)})
    for row in plan.rows:
        for seed in plan.seeds:
            run = best_run(runs, row.fingerprint, seed)
            if run is not None and run.error and run.status is not Status.FINISHED:
                notes.append(f"{run.name} {run.status.value.lower()}: {run.error} (MLflow run {run.run_id})")
    return tuple(notes)


def _mean_and_deviation(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def _spell_count(count: float) -> str:
    """`22.6 M`, `17.3 k` or `842`."""
    # Each begins where the smaller one would be rounded up to a thousand.
    for begin, size, letter in ((999_950, 1e6, "M"), (999.5, 1e3, "k")):
        if count >= begin:
            return f"{count / size:.1f} {letter}"
    return f"{count:.0f}"


def _escape_latex(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, f"\\{character}")
    return text.replace("±", r"$\pm$")
