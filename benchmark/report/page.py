"""The report as one HTML page with pictures and reviews, which needs nothing besides itself.

What comes from reviews, names, sources and errors is escaped by jinja2; a content security policy tells the browser to
run no script but ours and to fetch nothing. The same results give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmark.report.answer_pictures import confusion_pictures, reliability_pictures, slice_pictures
from benchmark.report.chosen_reviews import Chosen, choose_reviews, reviews_json
from benchmark.report.drawing import Look, Picture, looks
from benchmark.report.pictures import cost_pictures, learning_curves, pair_picture, ranking_picture, size_picture
from benchmark.report.provenance import origin
from benchmark.report.rows import Row
from benchmark.report.table import Report
from benchmark.results.results import Details, ReviewTexts

FOLDER = Path(__file__).parent
TEMPLATE, STYLE, SCRIPTS = "page.html.jinja", "page.css", ("page.js", "words.js")
_NUMBER = re.compile(r"-?[\d,]*\.?\d+")


@dataclass(frozen=True, slots=True)
class Section:
    """Pictures that belong together.

    Attributes:
        key: its anchor.
        short: its name in the list of sections.
        title: the heading.
        lead: how to read it, a paragraph.
        pictures: at least one.
    """

    key: str
    short: str
    title: str
    lead: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything of the page but the texts of the reviews.

    Attributes:
        report: tables and sentences.
        details: of the runs and reviews.
        ranking: the picture on top; None while no row is complete.
        sections: the others, those without a picture left out.
        chosen: the reviews to show.
    """

    report: Report
    details: Details
    ranking: Picture | None
    sections: tuple[Section, ...]
    chosen: Chosen

    @property
    def review_ids(self) -> list[str]:
        """Of which reviews the page shows the text."""
        return [str(self.report.results.ids[place]) for place in self.chosen.all_places]

    @property
    def pictures(self) -> list[Picture]:
        """All of them, in their order."""
        first = [self.ranking] if self.ranking is not None else []
        return [*first, *(picture for section in self.sections for picture in section.pictures)]


def make_page(report: Report, details: Details) -> Page:
    """Draw the pictures and choose the reviews.

    All but the learning curve over train sizes is about the size that the findings are about: the largest with a
    comparison; where there is none, the largest with a complete row.
    """
    results = report.results
    complete = [row for row in report.verdict.rows if row.complete]
    size = max(report.verdict.comparisons or [row.plan.train_size for row in complete], default=0)
    rows = [row for row in complete if row.plan.train_size == size]
    look = looks(list(dict.fromkeys(row.name for row in report.verdict.rows)))
    ranking = ranking_picture(rows, look) if rows else None
    sections = _sections(report, details, rows, look)
    return Page(report, details, ranking, sections, choose_reviews(results, details, rows))


def _sections(report: Report, details: Details, rows: list[Row], look: Mapping[str, Look]) -> tuple[Section, ...]:
    results, comparisons = report.results, report.verdict.comparisons
    complete = [row for row in report.verdict.rows if row.complete]
    several = len({row.plan.train_size for row in complete}) > 1
    sections = (
        Section(
            "apart",
            "Pairs",
            "What separates them",
            "Each line is the 95 % interval of a difference: what the two models' accuracies may really differ by. "
            "Filled: the tests tell the two apart. Hollow: they do not, which is not to say that the two are equal.",
            tuple(pair_picture(size, found) for size, found in comparisons.items()),
        ),
        Section(
            "learning",
            "Learning",
            "How they learned",
            "Loss on the reviews learned from (train) and on reviews held back (val), pass by pass; a line "
            "a seed. Where train falls on and val turns upwards, a network learns its reviews by heart. The epoch of "
            "lowest val loss is the one that is tested. All panels have one scale.",
            tuple(learning_curves(results, details, rows)),
        ),
        Section(
            "cost",
            "Cost",
            "What accuracy costs",
            "Further left is cheaper, further up is better. The stepped line is the Pareto front: for a model off it "
            "(hollow), another is at least as accurate at no higher a price.",
            tuple(cost_pictures(rows, look)),
        ),
        Section(
            "sizes",
            "Train sizes",
            "What more reviews bring",
            "The same models trained on more and more reviews, tested on the same ones.",
            (size_picture(complete, look),) if several else (),
        ),
        Section(
            "slices",
            "Errors",
            "Where they err",
            "Accuracy on parts of the test reviews. Bars are Wilson's 95 % intervals for so many reviews: where few "
            "are, they are long, and an accident looks like a law.",
            tuple(slice_pictures(results, details, rows, look)),
        ),
        Section(
            "confusion",
            "Leaning",
            "Which way they err",
            "Of the reviews that are negative, and of those that are positive, how many each model calls which; the "
            "mean over seeds. A model that errs one way more than the other has a leaning.",
            tuple(confusion_pictures(results, rows)),
        ),
        Section(
            "calibration",
            "Sureness",
            "Do they know what they know?",
            "Reviews sorted by how sure a model was; the larger the mark, the more of them. On the dashed line it is "
            "right as often as it is sure. Below it, it is too sure of itself; above it, too modest. "
            "In the titles: how far apart the two are on average (expected calibration error).",
            tuple(reliability_pictures(results, rows, look)),
        ),
    )
    return tuple(section for section in sections if section.pictures)


def render_page(page: Page, texts: ReviewTexts) -> str:
    """The page as HTML."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "ensure_ascii": False}
    script = "".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    results = page.report.results
    reviews = reviews_json(results, page.details, page.chosen, texts)
    html = environment.get_template(TEMPLATE).render(
        plan=results.plan,
        page=page,
        report=page.report,
        tables=[
            (title or "How good they are", _sortable(page.report, number))
            for number, (title, _) in enumerate(page.report.tables)
        ],
        origin=origin(results, page.details),
        reviews=reviews,
        explained=sum("why" in review for review in reviews["reviews"]),
        missing=texts.missing,
        style=Markup((FOLDER / STYLE).read_text(encoding="utf-8")),  # noqa: S704  our own files
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        svg=_markup,
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def _markup(picture: Picture) -> Markup:
    return Markup(picture.svg)  # noqa: S704  drawn by matplotlib, which escapes the names in it


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell and what it is sorted by: a number, or its text where there is none; empty ones stay last."""

    text: str
    order: str


@dataclass(frozen=True, slots=True)
class Sortable:
    """A table whose rows the reader may sort."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def _sortable(report: Report, number: int) -> Sortable:
    """One of the report's tables; the first two have a line for each row of the verdict."""
    _, table = report.tables[number]
    rows = report.verdict.rows
    found = []
    for place, texts in enumerate(table.itertuples(index=False)):
        row = rows[place] if len(table) == len(rows) else None
        cells = [Cell(text, _order(column, text, row)) for column, text in zip(table.columns, texts, strict=True)]
        found.append(tuple(cells))
    return Sortable(tuple(table.columns), tuple(found))


# Figures whose text has a unit that changes from row to row.
FIGURES: dict[str, Callable[[Row], float | None]] = {
    "parameters": lambda row: row.cost.parameters,
    "trained": lambda row: row.cost.trainable,
    "train time": lambda row: row.cost.train_seconds,
    "of it features": lambda row: row.cost.features_seconds,
    "tuning": lambda row: row.cost.tuning_seconds,
}


def _order(column: str, text: str, row: Row | None) -> str:
    if row is not None and column in FIGURES:
        value = FIGURES[column](row)
        return "" if value is None else repr(float(value))
    if column in ("model", "rank"):
        return text
    found = _NUMBER.match(text)
    return found[0].replace(",", "") if found else ""
