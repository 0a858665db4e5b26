"""A report as terminal text, Markdown, CSV, JSON or LaTeX; equal reports give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd

from benchmark.report.schema import report_json, row_json
from benchmark.report.table import Report


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


def _csv(report: Report) -> str:
    """A line a row, figures as numbers in the units that the names say; see `schema.row_json`."""
    lines = []
    for row in report.verdict.rows:
        values = row_json(row)
        del values["published"]  # a figure of other conditions, which a line has no room for
        flat = {key: value for key, value in values.items() if not isinstance(value, (dict, list))}
        for key, value in values.items():
            if isinstance(value, dict):
                flat |= {f"{key}_{name}": part for name, part in value.items()}
        lines.append(flat)
    return pd.DataFrame(lines).to_csv(index=False)


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
