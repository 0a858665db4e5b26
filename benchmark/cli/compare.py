"""`compare`: two recorded runs side by side; only what differs is shown."""

from __future__ import annotations

import argparse
import json

from tabulate import tabulate

from benchmark.cli.options import STORE, add_shared_options, existing_store
from benchmark.launch.process import EXIT_DONE
from benchmark.output import clip
from benchmark.results.compare import Difference, PredictionComparison, RunComparison, Section, compare
from benchmark.results.read import files_of, read_run
from benchmark.results.results import RecordedRun

WIDTH = 26  # characters of a value; a longer one is cut to where it differs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    for name, metavar in (("run_a", "RUN_A"), ("run_b", "RUN_B")):
        parser.add_argument(name, metavar=metavar, help="MLflow id of a run, or the beginning of its id")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_shared_options(parser, *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Print the comparison; that the runs differ is no failure."""
    store = existing_store(arguments)
    records = [store.find_run(start) for start in (arguments.run_a, arguments.run_b)]
    with files_of(store) as files:
        a, b = (read_run(files, record) for record in records)
    comparison = compare(a, b)
    if arguments.json:
        runs = {"a": _run_json(a), "b": _run_json(b)}
        print(json.dumps({"runs": runs, **comparison.to_json()}, indent=2, allow_nan=False))
    else:
        words = _prediction_words(comparison.predictions)
        print(_heading(a, b), _table(comparison, a, b), words, sep="\n\n")
    return EXIT_DONE


def _heading(a: RecordedRun, b: RecordedRun) -> str:
    rows = [
        [letter, run.name, run.run_id, run.status.value.lower() + (f": {run.error}" if run.error else "")]
        for letter, run in (("A", a.record), ("B", b.record))
    ]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def _table(comparison: RunComparison, a: RecordedRun, b: RecordedRun) -> str:
    """Make one table of all sections, so that their columns are aligned."""
    rows: list[list[str]] = []
    for kind, section in comparison.sections.items():
        counts = _counts(section)
        if kind == "epochs" and not section.missing:
            counts = f"{a.epochs} in A, {b.epochs} in B; {counts}"
        differences = ([f"  {name}", *rest] for name, *rest in map(difference_row, section.different))
        rows += [[f"{kind}: {counts}", "", "", ""], *differences, [""]]
    return tabulate(
        rows[:-1], ["", "A", "B", "B - A"], tablefmt="simple", disable_numparse=True, preserve_whitespace=True
    )


def _counts(section: Section) -> str:
    if section.missing:
        return f"not recorded in {' and '.join(section.missing)}"
    different = len(section.different)
    return f"{section.equal} equal, {different} different" if different else f"all {section.equal} equal"


def difference_row(difference: Difference) -> list[str]:
    """Return its name, the values in both runs, and how much larger the second is."""
    name = difference.name if difference.epoch is None else f"{difference.name}, from epoch {difference.epoch}"
    a, b = _text(difference.a), _text(difference.b)
    if max(len(a), len(b)) > WIDTH:  # leave out what both begin with, where that is needed to show where they differ
        pairs = enumerate(zip(a, b, strict=False))
        alike = next((at for at, (one, other) in pairs if one != other), min(len(a), len(b)))
        start = alike - 8 if alike > WIDTH - 8 else 0
        a, b = (clip(f"…{text[start + 1 :]}" if start else text, WIDTH) for text in (a, b))
    change = difference.change
    if change is None:
        return [name, a, b, ""]
    return [name, a, b, f"{change:+,.0f}" if change.is_integer() else f"{change:+.3g}"]


def _text(value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.6g}"


def _prediction_words(found: PredictionComparison) -> str:
    if found.missing:
        return f"predictions: no readable predictions.parquet in {' and '.join(found.missing)}"
    lines = [f"predictions: {found.both:,} test reviews in both"]
    if found.only_a or found.only_b:
        lines.append(f"{found.only_a:,} test reviews only in A, {found.only_b:,} only in B")
    if found.both:
        lines.append(
            f"{found.labels_differ:,} with another predicted label: only A is right on {found.right_only_a:,}, "
            f"only B on {found.right_only_b:,}"
        )
        largest = found.largest_logit_difference
        lines.append("logits of other classes" if largest is None else f"largest logit difference: {largest:.3g}")
    return "\n  ".join(lines)


def _run_json(run: RecordedRun) -> dict[str, object]:
    names = ("run_id", "name", "experiment", "seed", "status", "error")
    return {**{name: getattr(run.record, name) for name in names}, "epochs": run.epochs}
