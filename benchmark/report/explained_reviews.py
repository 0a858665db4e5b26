"""What models leaned on in reviews, as the page's script shows it: places in the text as it is shown, and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.report.rows import Row
from benchmark.results.results import Details, PlanResults
from benchmark.tracking.explanations import TOLERANCE, ReviewExplanation

MOST_EXPLAINED = 12  # reviews; six models of one are 7 to 33 kB of the page
_LINE_BREAK = re.compile(r"\s*(<br\s*/?>\s*)+", re.IGNORECASE)
_PARAGRAPH = "\n\n"


@dataclass(frozen=True, slots=True)
class Explained:
    """Why one model says of a review what it says.

    Attributes:
        model: its number among those of the page.
        seed: of the run that was explained.
        why: what was found.
    """

    model: int
    seed: int
    why: ReviewExplanation


def explained_reviews(results: PlanResults, details: Details, rows: Sequence[Row]) -> dict[str, list[Explained]]:
    """By review id, each model's explanation by the first seed that has one; reviews that most models explain first.

    Only reviews of the test part: of others the runs record no answers.
    """
    found: dict[str, list[Explained]] = {}
    known = set(results.ids.tolist())
    for model, row in enumerate(rows):
        of_row: dict[str, Explained] = {}
        for run in results.finished(row.plan):
            for review_id, why in details.runs[run.run_id].explanations.items():
                if review_id in known:
                    of_row.setdefault(review_id, Explained(model, run.seed, why))
        for review_id, each in of_row.items():
            found.setdefault(review_id, []).append(each)
    first = sorted(found, key=lambda review_id: (-len(found[review_id]), review_id))
    return {review_id: found[review_id] for review_id in first[:MOST_EXPLAINED]}


def explained_json(explained: Iterable[Explained], places: np.ndarray) -> list[dict[str, Any]]:
    """Of each model its tokens' places, logits and attention.

    Args:
        explained: of one review.
        places: of `shown_text`.
    """
    return [
        {
            "model": each.model,
            "seed": each.seed,
            "margin": round(each.why.margin, 3),
            "baseline": round(each.why.baseline_margin, 3),
            "error": round(each.why.completeness_error, 4) if each.why.completeness_error > TOLERANCE else 0,
            "spans": [_shown(span, places) for span in each.why.tokens],
            "logits": [round(value, 4) for value in each.why.attributions],
            **_attention(each.why),
        }
        for each in explained
    ]


def shown_text(text: str) -> tuple[str, np.ndarray]:
    """A review with line breaks in the place of its tags, and of each character of the raw text its place there.

    The last of these places is that of the end.
    """
    places = np.arange(len(text) + 1)
    for tag in _LINE_BREAK.finditer(text):
        places[tag.start() : tag.end()] = places[tag.start()]
        places[tag.end() :] -= len(tag[0]) - len(_PARAGRAPH)
    plain = _LINE_BREAK.sub(_PARAGRAPH, text)
    before = len(plain) - len(plain.lstrip())
    stripped = plain.strip()
    return stripped, np.clip(places - before, 0, len(stripped))


def _shown(span: tuple[int, int], places: np.ndarray) -> list[int]:
    start, end = (min(place, len(places) - 1) for place in span)
    return [int(places[start]), int(places[end])]


def _attention(why: ReviewExplanation) -> Mapping[str, list[float]]:
    return {} if why.attention is None else {"attention": [round(value, 5) for value in why.attention]}
