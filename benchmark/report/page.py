"""The report as one self-contained HTML page with pictures and reviews.

Jinja2 escapes what comes from reviews, names, sources and errors; a content security policy tells the browser to run no
script but ours and to fetch nothing. The same results give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmark.output import spell_amount
from benchmark.report.answer_pictures import confusion_pictures, reliability_pictures, slice_pictures
from benchmark.report.beyond_picture import beyond_pictures
from benchmark.report.beyond_table import TITLE
from benchmark.report.challenge_reviews import ChosenChallenge, challenges_json, choose_challenges
from benchmark.report.chosen_reviews import Chosen, choose_reviews, reviews_json
from benchmark.report.drawing import Look, Picture, looks
from benchmark.report.pictures import cost_pictures, learning_curves, pair_picture, ranking_picture, size_picture
from benchmark.report.provenance import provenance
from benchmark.report.rows import Row
from benchmark.report.table import Report
from benchmark.results.results import Details, ReviewTexts
from benchmark.results.review_texts import find_texts
from data_pipeline.sources import Place

FOLDER = Path(__file__).parent
TEMPLATE, STYLE, SCRIPTS = "page.html.jinja", "page.css", ("page.js", "words.js")


class PageSection(NamedTuple):
    """Pictures under one heading: the anchor, the name in the navigation, the heading, and how to read them."""

    key: str
    short: str
    title: str
    lead: str
    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything of the page but the texts of the reviews.

    Attributes:
        report: tables and sentences.
        details: of the runs and reviews.
        ranking: the picture on top; None while no row is complete.
        sections: the other pictures.
        chosen: the reviews of the test part to show.
        challenges: the reviews of challenge sets to show.
    """

    report: Report
    details: Details
    ranking: Picture | None
    sections: tuple[PageSection, ...]
    chosen: Chosen
    challenges: tuple[ChosenChallenge, ...]

    @property
    def lead(self) -> str:
        """The first sentence: how many models have all their runs."""
        every = len(self.report.results.plan.models)
        done = len({row.plan.experiment for row in self.report.verdict.rows if row.complete})
        models = spell_amount(every, "model")
        models = models if done == every else f"{done} of {models}"
        return f"{models} read the same film reviews and predicted for each whether its writer liked the film."

    @property
    def review_ids(self) -> list[str]:
        """Ids of the test reviews whose text the page shows."""
        return [str(self.report.results.ids[place]) for place in self.chosen.all_places]

    @property
    def challenge_ids(self) -> dict[str, list[str]]:
        """Return the ids of the reviews of each challenge set whose text the page shows, by its name."""
        return {each.results.name: each.ids for each in self.challenges}

    def find_texts(self, place: Place, *, insist: bool) -> ReviewTexts:
        """Find the texts of the reviews that the page shows, see `benchmark.results.review_texts`."""
        settings = [run.settings for run in self.details.runs.values()]
        test = self.report.results.ids
        return find_texts(settings, self.review_ids, self.challenge_ids, place, test=test, insist=insist)

    @property
    def pictures(self) -> list[Picture]:
        """All pictures in their order."""
        first = [self.ranking] if self.ranking is not None else []
        return [*first, *(picture for section in self.sections for picture in section.pictures)]


def make_page(report: Report, details: Details) -> Page:
    """Draw the pictures and choose the reviews.

    All but the accuracy by train size is about one train size, which is that of the findings: the largest with a
    comparison; where there is none, the largest with a complete row.
    """
    results = report.results
    complete = [row for row in report.verdict.rows if row.complete]
    size = max(report.verdict.comparisons or [row.plan.train_size for row in complete], default=0)
    rows = [row for row in complete if row.plan.train_size == size]
    look = looks(list(dict.fromkeys(row.name for row in report.verdict.rows)))
    ranking = ranking_picture(rows, look) if rows else None
    sections = _sections(report, details, rows, look)
    challenges = choose_challenges(report.challenges, [row.name for row in rows])
    return Page(report, details, ranking, sections, choose_reviews(results, details, rows), challenges)


def _sections(
    report: Report, details: Details, rows: Sequence[Row], look: Mapping[str, Look]
) -> tuple[PageSection, ...]:
    results, comparisons = report.results, report.verdict.comparisons
    own = [row for row in report.verdict.rows if row.complete and not row.plan.external]
    sections = (
        PageSection(
            "pairs",
            "Differences",
            "Which differences are significant",
            "Each line is the 95 % interval of a difference of two models' accuracies. Filled marks: the difference is "
            "significant after Holm's correction for the number of pairs. Hollow marks: it is not, which does not show "
            "that the two models are equal.",
            [pair_picture(size, found) for size, found in comparisons.items()],
        ),
        PageSection(
            "beyond",
            "Beyond",
            TITLE,
            "Each line is one model: its accuracy on the test part, then on each challenge set, with 95 % intervals. "
            "The further a line falls below its start, the less of what the model learned holds for those reviews; "
            "where lines cross, the order of the models changes.",
            beyond_pictures(report.challenges, look),
        ),
        PageSection(
            "learning",
            "Learning",
            "Learning curves",
            "Loss on the training reviews (train) and on held-out reviews (val) per epoch, one line per seed. Where "
            "train falls while val rises, the network overfits. The epoch of lowest val loss is the one tested. All "
            "panels have the same scale.",
            learning_curves(results, details, rows),
        ),
        PageSection(
            "cost",
            "Cost",
            "Accuracy against cost",
            "Further left is cheaper, further up is more accurate. The stepped line is the Pareto front: a model below "
            "it (hollow) is dominated, because another model is at least as accurate and costs no more.",
            cost_pictures(rows, look),
        ),
        PageSection(
            "sizes",
            "Train sizes",
            "Accuracy by training reviews",
            "The same models trained on more and more reviews and tested on the same reviews.",
            [size_picture(own, look)] if len({row.plan.train_size for row in own}) > 1 else [],
        ),
        PageSection(
            "slices",
            "Errors",
            "Accuracy on parts of the test reviews",
            "Bars are Wilson's 95 % intervals for the number of reviews in each part. Where a part has few reviews, "
            "its bar is long, and a difference may be chance.",
            slice_pictures(results, details, rows, look),
        ),
        PageSection(
            "confusion",
            "Confusion",
            "Confusion matrices",
            "One row per true label: the share of its reviews that the model predicts as negative and positive, in "
            "the mean over seeds. A model with unequal error rates favours one label.",
            confusion_pictures(results, rows),
        ),
        PageSection(
            "calibration",
            "Calibration",
            "Calibration",
            "Reviews grouped by how confident the model was; larger marks hold more reviews. On the dashed line "
            "the model is right as often as it is confident; below the line it is overconfident, above it "
            "underconfident. ECE (expected calibration error) is the mean distance from the line.",
            reliability_pictures(results, [row for row in rows if "ece" in row.scores], look),
        ),
    )
    return tuple(section for section in sections if section.pictures)


def render_page(page: Page, texts: ReviewTexts) -> str:
    """Return the page as HTML."""
    loader = FileSystemLoader(FOLDER)
    environment = Environment(autoescape=True, loader=loader, undefined=StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "ensure_ascii": False}
    script = "".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    results = page.report.results
    reviews = reviews_json(results, page.details, page.chosen, texts)
    reviews["reviews"] += challenges_json(page.challenges, len(page.chosen.models), texts)
    html = environment.get_template(TEMPLATE).render(
        plan=results.plan,
        entry=results.entry,
        page=page,
        report=page.report,
        origin=provenance(results, page.details),
        reviews=reviews,
        explained=sum("why" in review for review in reviews["reviews"]),
        missing=texts.missing,
        style=Markup((FOLDER / STYLE).read_text(encoding="utf-8")),  # noqa: S704  our own files
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        svg=lambda picture: Markup(picture.svg),  # noqa: S704  drawn by matplotlib, which escapes the names in it
    )
    return html.encode("utf-8", "replace").decode("utf-8")
