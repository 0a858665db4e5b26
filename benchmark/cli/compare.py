"""`compare`: two recorded runs side by side; only what differs is shown."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from typing import TYPE_CHECKING

from benchmark.cli.options import Commands, add_command, add_store_options, existing_store
from benchmark.launch.process import EXIT_DONE

if TYPE_CHECKING:
    from benchmark.results.compare import Comparison, Difference, PredictionComparison, Section
    from benchmark.results.recorded_run import RecordedRun
    from benchmark.tracking.records import RunRecord

WIDTH = 26  # characters of a value; a longer one is cut to where it differs
NONE_OF_IT = "-"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "compare", compare_runs, "show two recorded runs side by side")
    for number, letter in (("first", "A"), ("second", "B")):
        parser.add_argument(
            f"run_{letter.lower()}",
            metavar=f"RUN_{letter}",
            help=f"MLflow id of the {number} run, or as much of its beginning as no other run's id has",
        )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_store_options(parser)


def compare_runs(arguments: argparse.Namespace) -> int:
    """Print the comparison; that the runs differ is no failure."""
    from benchmark.results.compare import compare
    from benchmark.results.recorded_run import read_recorded_run

    store = existing_store(arguments)
    records = [store.find_run(start) for start in (arguments.run_a, arguments.run_b)]
    a, b = (read_recorded_run(store, record) for record in records)
    comparison = compare(a, b)
    if arguments.json:
        runs = {"a": _run_json(a), "b": _run_json(b)}
        print(json.dumps({"runs": runs, **comparison.to_json()}, indent=2, allow_nan=False))
    else:
        words = _prediction_words(comparison.predictions)
        print(_heading(a.record, b.record), _table(comparison, a, b), words, sep="\n\n")
    return EXIT_DONE


def difference_rows(section: Section) -> list[list[str]]:
    """A row for each difference: its name, the values in both runs, how much the second is more."""
    return [_row(difference) for difference in section.different]


def _heading(a: RunRecord, b: RunRecord) -> str:
    from tabulate import tabulate

    rows = [
        [letter, run.name, run.run_id, run.status.value.lower() + (f": {run.error}" if run.error else "")]
        for letter, run in (("A", a), ("B", b))
    ]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def _table(comparison: Comparison, a: RecordedRun, b: RecordedRun) -> str:
    """One table over all sections, so that their columns stand below each other."""
    from tabulate import tabulate

    rows: list[list[str]] = []
    for field in fields(comparison):
        section = getattr(comparison, field.name)
        if field.name == "predictions":
            continue
        title = f"{field.name}: {_counts(section)}"
        if field.name == "epochs" and not section.missing:
            title = f"epochs: {a.epochs} in A, {b.epochs} in B; {_counts(section)}"
        rows += [[title, "", "", ""], *([f"  {name}", *rest] for name, *rest in difference_rows(section)), [""]]
    return tabulate(
        rows[:-1], ["", "A", "B", "B - A"], tablefmt="simple", disable_numparse=True, preserve_whitespace=True
    )


def _counts(section: Section) -> str:
    if section.missing:
        return "neither has any" if len(section.missing) > 1 else f"{section.missing[0]} has none"
    if not section.different:
        return f"all {section.equal} equal"
    return f"{section.equal} equal, {len(section.different)} different"


def _row(difference: Difference) -> list[str]:
    name = difference.name if difference.epoch is None else f"{difference.name}, from epoch {difference.epoch}"
    change = difference.change
    return [name, *_cells(difference), "" if change is None else _signed(change)]


def _signed(change: float) -> str:
    return f"{change:+,.0f}" if change.is_integer() else f"{change:+.3g}"


def _text(value: str | float | None) -> str:
    if value is None:
        return NONE_OF_IT
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.6g}"


def _cells(difference: Difference) -> tuple[str, str]:
    a, b = _text(difference.a), _text(difference.b)
    if max(len(a), len(b)) <= WIDTH:
        return a, b
    # What they begin with alike is cut where that is needed to show where they part.
    alike = next((at for at, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
    start = max(0, alike - 8) if alike >= WIDTH - 8 else 0
    return _cut(a, start), _cut(b, start)


def _cut(text: str, start: int) -> str:
    shown = f"…{text[start + 1 :]}" if start else text
    return shown if len(shown) <= WIDTH else f"{shown[: WIDTH - 1]}…"


def _prediction_words(predictions: PredictionComparison) -> str:
    if predictions.missing:
        who = "neither run has a" if len(predictions.missing) > 1 else f"{predictions.missing[0]} has no"
        return f"predictions: {who} predictions.parquet that can be read"
    lines = [f"predictions: {predictions.both:,} test reviews in both, {_label_words(predictions)}"]
    if predictions.only_a or predictions.only_b:
        lines.append(
            f"the test parts differ: {predictions.only_a:,} reviews only in A, {predictions.only_b:,} only in B"
        )
    if predictions.both:
        lines.append(_logit_words(predictions.largest_logit_difference))
    return "\n  ".join(lines)


def _label_words(predictions: PredictionComparison) -> str:
    if not predictions.both:
        return "so there is nothing to compare"
    if not predictions.labels_differ:
        return "all with the same predicted label"
    alone = f"A alone is right on {predictions.right_only_a:,}, B alone on {predictions.right_only_b:,}"
    return f"{predictions.labels_differ:,} with another predicted label: {alone}"


def _logit_words(largest: float | None) -> str:
    if largest is None:
        return "the logits are of other classes"
    return f"largest logit difference {largest:.3g}" if largest else "all logits are equal"


def _run_json(run: RecordedRun) -> dict[str, object]:
    record = run.record
    return {
        "run_id": record.run_id,
        "name": record.name,
        "experiment": record.experiment,
        "seed": record.seed,
        "status": record.status.value,
        "error": record.error,
        "epochs": run.epochs,
    }
