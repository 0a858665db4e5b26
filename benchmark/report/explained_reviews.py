"""Word attributions of reviews as the page's script shows them: places in the text as shown, and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmark.report.rows import Row
from benchmark.results.results import Details, PlanResults
from benchmark.tracking.explanations import TOLERANCE, ReviewExplanation

MOST_EXPLAINED = 12  # reviews; six models of one are 7 to 33 kB of the page
_LINE_BREAK = re.compile(r"\s*(<br\s*/?>\s*)+", re.IGNORECASE)
_PARAGRAPH = "\n\n"


class Explained(NamedTuple):
    """One model's explanation of one review: the model's number on the page, and the seed of the run explained."""

    model: int
    seed: int
    why: ReviewExplanation


def explained_reviews(results: PlanResults, details: Details, rows: Sequence[Row]) -> dict[str, list[Explained]]:
    """Return each model's explanation by its first seed that has one, by review id; at most MOST_EXPLAINED reviews.

    Reviews that most models explain come first. Only reviews of the test part: of others the runs record no answers.
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
    """Return each model's explanation of one review for the script, with `places` of `displayed_text`."""
    return [
        {
            "model": model,
            "seed": seed,
            "margin": round(why.margin, 3),
            "baseline": round(why.baseline_margin, 3),
            "error": round(why.completeness_error, 4) if why.completeness_error > TOLERANCE else 0,
            "spans": [[int(places[min(place, len(places) - 1)]) for place in span] for span in why.tokens],
            "logits": [round(value, 4) for value in why.attributions],
            **({} if why.attention is None else {"attention": [round(value, 5) for value in why.attention]}),
        }
        for model, seed, why in explained
    ]


def displayed_text(text: str) -> tuple[str, np.ndarray]:
    """Return a review with line breaks instead of tags, and the place there of each raw character and of the end."""
    places = np.arange(len(text) + 1)
    for tag in _LINE_BREAK.finditer(text):
        places[tag.start() : tag.end()] = places[tag.start()]
        places[tag.end() :] -= len(tag[0]) - len(_PARAGRAPH)
    plain = _LINE_BREAK.sub(_PARAGRAPH, text)
    before = len(plain) - len(plain.lstrip())
    stripped = plain.strip()
    return stripped, np.clip(places - before, 0, len(stripped))
