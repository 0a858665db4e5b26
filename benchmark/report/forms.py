"""A report as terminal text, Markdown, CSV, JSON or LaTeX; equal reports give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd

from benchmark.report.schema import report_json, row_json
from benchmark.report.table import Report

COUNTS = ("parameters", "trainable", "tuning_trials")
FIGURE_ENDINGS = ("_mean", "_sd", "_low", "_high", "_seconds", "_per_second", "_ms", "_mib")


def render(report: Report, form: str) -> str:
    """The report in one of FORMS."""
    return FORMS[form](report)


def _terminal(report: Report) -> str:
    return _with_sentences(report, "rounded_outline", "")


def _markdown(report: Report) -> str:
    return _with_sentences(report, "pipe", "- ")


def _with_sentences(report: Report, style: str, bullet: str) -> str:
    parts = []
    for title, table in report.tables:
        parts += [f"{title}:"] * bool(title) + [_tabulated(table, style)]
    parts += ["".join(f"{bullet}{line}\n" for line in lines) for lines in (report.findings, report.notes) if lines]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _tabulated(table: pd.DataFrame, style: str) -> str:
    last = "left" if table.columns[-1].startswith("published") else "right"
    alignment = ["left", *["right"] * (len(table.columns) - 2), last]
    return str(table.to_markdown(index=False, tablefmt=style, disable_numparse=True, colalign=alignment))


def table_frame(report: Report) -> pd.DataFrame:
    """Return the flat table that the CSV form writes: one row per model and train size, numbers as numbers.

    Columns are named as in docs/report-schema.md, with `_mean`, `_sd`, `_low` or `_high` behind nested figures; units
    are as there. Unknown numbers are NaN, unknown counts pandas.NA.
    """
    frame = pd.json_normalize([row_json(row) for row in report.verdict.rows], sep="_", max_level=1)
    listed = ["runs", "test_accuracy_by_seed", *(name for name in map(str, frame) if name.startswith("published"))]
    frame = frame.drop(columns=listed)
    figures = [name for name in map(str, frame) if name.endswith(FIGURE_ENDINGS)]
    return frame.astype(dict.fromkeys(figures, "float64") | dict.fromkeys(COUNTS, "Int64"))


def _csv(report: Report) -> str:
    return table_frame(report).to_csv(index=False)


def _json(report: Report) -> str:
    return json.dumps(report_json(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _latex(report: Report) -> str:
    """booktabs; the sentences as comments."""
    sentences = "".join(f"% {line}\n" for line in (*report.findings, *report.notes))
    tables = []
    for title, table in report.tables:
        escaped = table.rename(columns=_escape_latex).map(_escape_latex)
        tables.append(f"% {title}\n" * bool(title) + str(escaped.to_latex(index=False)))
    return sentences + "\n" + "\n".join(tables)


def _escape_latex(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, f"\\{character}")
    return text.replace("±", r"$\pm$")


FORMS: dict[str, Callable[[Report], str]] = {
    "terminal": _terminal,
    "markdown": _markdown,
    "csv": _csv,
    "json": _json,
    "latex": _latex,
}
