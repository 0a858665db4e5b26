"""A report as terminal text, Markdown, CSV, JSON or LaTeX; equal reports give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from operator import methodcaller
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.output import OutputError
from benchmark.report.beyond import ChallengeRow
from benchmark.report.beyond_forms import IN_TRAIN, challenge_figures, challenge_json, pairs_json
from benchmark.report.columns import MODEL, TRAINED_ON, Column, ReportTable
from benchmark.report.rows import Row, Spread
from benchmark.report.table import Report
from benchmark.tracking.records import PlanEntry, PlanRecord, Status
from data_pipeline.errors import did_you_mean
from data_pipeline.paths import at_home

HTML = "html"
ENDINGS = {".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex", ".txt": "terminal", ".html": HTML}
PAGE_FILE = "index.html"
SCHEMA_VERSION = 2  # of docs/report-schema.md; raised when a name or unit changes or goes, not when something is added
SCORES = ("balanced_accuracy", "f1", "f1_negative", "roc_auc", "log_loss", "ece")
WIDTH = 100  # characters of a line of the terminal form where no terminal says how wide it is
COUNTS = ("parameters", "trainable", "tuning_trials")
FIGURE_ENDINGS = ("_mean", "_sd", "_low", "_high", "_seconds", "_per_second", "_ms", "_mib", "_p")
# Metrics in the CSV form.
BY_SEED = (*(f"test/{name}" for name in ("accuracy", "f1", "roc_auc", "log_loss")), "train_seconds")


def destination(form: str | None, output: Path | None) -> tuple[str, Path | None]:
    """Return the form that is named, else the one of the output's ending, and the file to write.

    A page without the ending .html is `index.html` in the folder that is named.

    Raises:
        OutputError: the form is unknown, or contradicts the ending; or neither says a form.
    """
    if form is not None and form not in (*FORMS, HTML):
        raise OutputError(f"form {form!r}: is unknown{did_you_mean(form, [*FORMS, HTML])}")
    if output is None:
        return form or "terminal", None
    output = at_home(output)
    ending = ENDINGS.get(output.suffix.lower())
    if form and ending and form != ending:
        raise OutputError(f"{output}: the ending says {ending}, not {form}. Change the ending or the form.")
    is_stream = output.exists() and not output.is_dir() and (not output.is_file() or output.is_relative_to("/dev"))
    if not (form or ending or is_stream):
        raise OutputError(f"{output}: the ending says no form (expected one of {', '.join(ENDINGS)}). Change it.")
    chosen = form or ending or "terminal"
    is_folder = output.is_dir() or not (ending or is_stream)
    return chosen, output / PAGE_FILE if chosen == HTML and is_folder else output


def render(report: Report, form: str, width: int = WIDTH) -> str:
    """Return the report in one of FORMS; in the terminal form, tables wider than `width` are split."""
    return FORMS[form](report, width)


def table_frame(report: Report) -> pd.DataFrame:
    """Return the flat table that the CSV form writes: one row per model and train size, numbers as numbers.

    Columns are named as in docs/report-schema.md, with `_mean`, `_sd`, `_low` or `_high` behind nested figures, and
    `_seed_1` behind those of seed 1; units are as there. Unknown numbers are NaN, unknown counts pandas.NA.
    """
    plan = report.results.plan
    rows = [_row(row, plan) | _beyond(report, row) for row in report.verdict.rows]
    frame = pd.json_normalize(rows, sep="_", max_level=1)
    frame["unstable_seeds"] = [" ".join(map(str, row.unstable_seeds)) for row in report.verdict.rows]
    lists = ["seeds", "runs", "run_ids", "test_accuracy_by_seed"]
    frame = frame.drop(columns=[*lists, *(name for name in map(str, frame) if name.startswith("published"))])
    frame = frame.join(pd.DataFrame([_by_seed(row, plan) for row in report.verdict.rows]))
    figures = [name for name in map(str, frame) if name.endswith(FIGURE_ENDINGS)]
    figures += [f"{key.replace('/', '_')}_seed_{seed}" for key in BY_SEED for seed in plan.seeds]
    counts = [*COUNTS, *(name for name in map(str, frame) if name.endswith(IN_TRAIN))]
    return frame.astype(dict.fromkeys(figures, "float64") | dict.fromkeys(counts, "Int64"))


def report_json(report: Report) -> dict[str, Any]:
    """Return the whole report as plain values, described in docs/report-schema.md."""
    plan = report.results.plan
    return {
        "schema_version": SCHEMA_VERSION,
        "profile": plan.profile,
        "plan": report.results.entry.name,
        "plan_fingerprint": report.results.entry.fingerprint,
        "corpus": plan.corpus,
        "held_out_test": plan.held_out_test,
        "seeds": list(plan.seeds),
        "val_size": plan.val_size,
        "test_size": plan.test_size,
        "majority_accuracy": report.results.majority_accuracy,
        "rows": [_row(row, plan) for row in report.verdict.rows],
        "comparisons": [
            {"train_size": size, "pairs": pairs_json(found)} for size, found in report.verdict.comparisons.items()
        ],
        "challenges": [challenge_json(found) for found in report.challenges],
        "findings": list(report.findings),
        "notes": list(report.notes),
    }


def _row(row: Row, plan: PlanRecord) -> dict[str, Any]:
    unknown = Spread(None, None)  # type: ignore[arg-type]
    return {
        "model": row.name,
        "experiment": row.plan.experiment,
        "baseline": row.plan.baseline,
        "tuned": row.plan.tuned is not None,
        "external": row.plan.external,
        "fingerprint": row.plan.fingerprint,
        "train_size": row.plan.train_size,
        "encoder": row.plan.encoder,
        "seeds": list(plan.seeds_of(row.plan)),
        "runs": list(row.states),
        "run_ids": [run.run_id if run is not None else None for run in row.runs],
        "unstable_seeds": list(row.unstable_seeds),
        "complete": row.complete,
        "rank": row.letters,
        "about": ("method" if len(row.accuracies) > 1 else "network") if row.complete else None,
        "test_accuracy": row.scores.get("accuracy", unknown)._asdict(),
        "test_accuracy_interval": row.interval._asdict() if row.interval else {"low": None, "high": None},
        "test_accuracy_by_seed": list(row.accuracies),
        **{f"test_{name}": row.scores.get(name, unknown)._asdict() for name in SCORES},
        "majority_adjusted_p": row.majority_p,
        **asdict(row.cost),
        "published": dict(sorted(row.plan.published.items())) if row.plan.published else None,
    }


def _beyond(report: Report, row: Row) -> dict[str, Any]:
    """Return a row's figures on the challenge sets, unknown ones where it has another train size."""
    found: dict[str, Any] = {}
    for challenge in report.challenges:
        scored = next((each for each in challenge.rows if each.row is row), ChallengeRow(row))
        figures = challenge_figures(challenge, scored)
        found |= {f"challenge_{challenge.results.name}_{name}": value for name, value in figures.items()}
    return found


def _by_seed(row: Row, plan: PlanRecord) -> dict[str, Any]:
    """Return state, run id and figures of each seed's run; figures of finished ones alone."""
    seeds = plan.seeds_of(row.plan)
    found: dict[str, Any] = {"seeds": " ".join(map(str, seeds))}
    runs = dict(zip(seeds, zip(row.states, row.runs, strict=True), strict=True))
    for seed in plan.seeds:
        state, run = runs.get(seed, ("", None))
        found[f"state_seed_{seed}"] = state
        found[f"run_id_seed_{seed}"] = run.run_id if run is not None else ""
        metrics = run.metrics if run is not None and run.status is Status.FINISHED else {}
        found |= {f"{key.replace('/', '_')}_seed_{seed}": metrics.get(key) for key in BY_SEED}
    return found


def _which_plan(entry: PlanEntry) -> str:
    """Say which of several plans this is, in a paragraph."""
    if entry.count < 2:
        return ""
    return (
        f"Plan {entry}, {entry.number} of {entry.count} of its profile. `python -m benchmark list` shows them, "
        "`report --plan PLAN` another.\n\n"
    )


def _with_sentences(report: Report, style: str, bullet: str, width: int | None = None) -> str:
    parts = []
    for number, table in enumerate(report.tables):
        parts += [f"{table.title}:"] * bool(number)
        parts.append("\n".join(_tabulated(part, style) for part in _split(table, width)))
    parts += ["".join(f"{bullet}{line}\n" for line in lines) for lines in (report.findings, report.notes) if lines]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _split(table: ReportTable, width: int | None) -> list[ReportTable]:
    """Split the table into tables of at most `width` characters, each with the columns that name the row."""
    names = [column for column in table.columns if column.title in (MODEL.title, TRAINED_ON.title)]
    parts: list[list[Column]] = [[]]
    for column in table.columns[len(names) :]:
        if width is not None and parts[-1] and _width((*names, *parts[-1], column), table.rows) > width:
            parts.append([])
        parts[-1].append(column)
    return [replace(table, columns=(*names, *part)) for part in parts]


def _width(columns: Sequence[Column], rows: Sequence[Any]) -> int:
    """Return the width of a box around these columns; tabulate makes a column two wider than its head."""
    return 1 + sum(3 + max(len(each.title) + 2, *(len(each.text(row)) for row in rows)) for each in columns)


def _tabulated(table: ReportTable, style: str) -> str:
    last = "left" if table.columns[-1].title.startswith("published") else "right"
    alignment = ["left", *["right"] * (len(table.columns) - 2), last]
    return str(table.frame.to_markdown(index=False, tablefmt=style, disable_numparse=True, colalign=alignment))


def _latex(report: Report) -> str:
    """Write booktabs tables, the sentences as comments."""
    sentences = "".join(f"% {line}\n" for line in (*report.findings, *report.notes))
    escape, tables = methodcaller("translate", LATEX), []
    for number, table in enumerate(report.tables):
        escaped = table.frame.rename(columns=escape).map(escape)
        tables.append(f"% {table.title}\n" * bool(number) + str(escaped.to_latex(index=False)))
    return sentences + "\n" + "\n".join(tables)


LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
)


def _terminal(report: Report, width: int) -> str:
    return _which_plan(report.results.entry) + _with_sentences(report, "rounded_outline", "", width)


def _json(report: Report, _: int) -> str:
    return json.dumps(report_json(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMS: dict[str, Callable[[Report, int], str]] = {
    "terminal": _terminal,
    "markdown": lambda report, _: _with_sentences(report, "pipe", "- "),
    "csv": lambda report, _: table_frame(report).to_csv(index=False),
    "json": _json,
    "latex": lambda report, _: _latex(report),
}
