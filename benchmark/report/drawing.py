"""How the page's pictures look: SVG that scales, in colours that follow the reader's light or dark screen.

Equal figures give equal bytes: no date, no random ids. A picture is narrow, so that on a phone its letters are as large
as the text; on a wider screen several are side by side.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib as mpl
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 4.4  # inches; at 72 units per inch the letters below are 10 units of 317 wide
LONGEST_NAME = 28  # characters of a model's name in a picture; tables have the whole name
WIDEST_OF_TWO = 20  # characters of two names side by side in a legend
INK, MUTED, RULE, PAPER = "#1b1b1a", "#5e5e5b", "#dcdbd6", "#fdfdfc"
# Okabe & Ito's colours, which colour-blind readers can tell apart; the weakest on white come last.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#f0e442")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
Line = str | tuple[float, tuple[float, ...]]
LINES: tuple[Line, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (3, 1)),
    (0, (8, 2)),
    (0, (1, 2)),
)
# Their names in the style sheet, which has other values of the same names for a dark screen.
VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"} | {
    colour: f"colour-{number}" for number, colour in enumerate(COLOURS)
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's own font
    "text.parse_math": False,  # a `$` in a name is one
    "font.family": ["sans-serif"],
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}


class Table(NamedTuple):
    """The figures behind a picture, as text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    Attributes:
        key: name of its file and of its ids, of letters, digits and dashes.
        title: the caption.
        alt: a description for screen readers.
        svg: an `svg` element whose colours are variables of the style sheet.
        table: its figures.
    """

    key: str
    title: str
    alt: str
    svg: str
    table: Table

    def standalone(self) -> str:
        """Return the SVG as a file that needs no style sheet, on white."""
        svg = self.svg
        for colour, name in VARIABLES.items():
            svg = svg.replace(f"var(--{name})", colour)
        return svg.replace("<svg ", '<svg style="background: #fdfdfc; font-family: sans-serif" ', 1) + "\n"


class Look(NamedTuple):
    """How one model is drawn, the same in every picture."""

    colour: str
    marker: str
    line: Line


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each model."""
    kinds = list(map(Look, COLOURS, MARKERS, LINES))
    return {name: kinds[number % len(kinds)] for number, name in enumerate(names)}


@contextmanager
def canvas(height: float) -> Iterator[tuple[Figure, Axes]]:
    """Open a figure of one plot in the page's style, `height` inches high and WIDTH wide."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure, figure.subplots()


def finish(figure: Figure, key: str, title: str, alt: str, table: Table) -> Picture:
    """Return the figure as a picture; to be called inside `canvas`."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    return Picture(key, title, alt, _inline(buffer.getvalue(), key, title, alt), table)


def legend(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """Draw the legend above the plot."""
    handles, labels = axes.get_legend_handles_labels()
    columns = columns if max(map(len, labels)) < WIDEST_OF_TWO else 1
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=2.6, columnspacing=1.2)


def write_above(axes: Axes, place: float, text: str, *, right: bool = False) -> None:
    """Write text above a mark at this height, at the plot's left or right edge, on a ground that hides lines."""
    written = axes.annotate(
        text,
        (1 if right else 0, place - 0.2),
        xycoords=("axes fraction", "data"),
        ha="right" if right else "left",
        va="bottom",
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1},
    )
    written.set_in_layout(False)


def label(name: str) -> str:
    """Shorten a model's name for a picture; matplotlib leaves names out of legends that begin with an underscore."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return f"\N{ZERO WIDTH SPACE}{short}" if short.startswith("_") else short


def _inline(document: str, key: str, title: str, alt: str) -> str:
    """Return the document's `svg` element, named for screen readers, its ids unique in a page with others."""
    svg = document[document.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{key}-", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    for colour, name in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = re.sub(r'\s(width|height)="[\d.]+pt"', "", svg, count=2)
    names = f'<title id="{key}-title">{escape(title)}</title><desc id="{key}-desc">{escape(alt)}</desc>'
    opening, _, rest = svg.partition(">")
    described = f'{opening} role="img" aria-labelledby="{key}-title {key}-desc">{names}'
    return re.sub(r"\s*\n\s*", "\n", described + rest)
