"""Columns and tables of the report: a column writes each row's cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.report.rows import Spread
from data_pipeline.errors import one_line


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        title: its head.
        value: of a row; None: not known.
        spell: writes the value.
        unknown: what the cell says of a row that has no value.
        mark: what follows the value.
    """

    title: str
    value: Callable[[Any], Any]
    spell: Callable[[Any], str] = str
    unknown: Callable[[Any], str] = lambda _: ""
    mark: Callable[[Any], str] = lambda _: ""

    def text(self, row: Any) -> str:
        """Return a row's cell."""
        value = self.value(row)
        said = self.unknown(row) if value is None else self.spell(value) + self.mark(row)
        return one_line(said)  # names and texts of any record

    def order(self, row: Any) -> str:
        """Return what the page sorts a row's cell by: a number where the value has one; empty cells stay last."""
        value = self.value(row)
        if isinstance(value, tuple):  # a mean, or the low end of an interval
            value = value[0]
        return "" if value is None else value if isinstance(value, str) else repr(float(value))


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of the report: columns that write its rows."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Any]

    @property
    def frame(self) -> pd.DataFrame:
        """All cells as text."""
        return pd.DataFrame([{column.title: column.text(row) for column in self.columns} for row in self.rows])


def spell_spread(spread: Spread, scale: float = 100, digits: int = 2) -> str:
    """Write `86.00`, or `86.00 ± 0.50` over seeds."""
    mean = f"{scale * spread.mean:.{digits}f}"
    return mean if spread.sd is None else f"{mean} ± {scale * spread.sd:.{digits}f}"


MODEL = Column("model", lambda row: f"{row.name} (baseline)" if row.plan.baseline else row.name)
TRAINED_ON = Column("trained on", lambda row: None if row.plan.external else row.plan.train_size, "{:,}".format)
