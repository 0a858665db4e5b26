"""Which reviews the page shows, and what it says of each. N test reviews, M models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.analysis.metrics import probabilities
from benchmark.report.explained_reviews import Explained, displayed_text, explained_json, explained_reviews
from benchmark.report.rows import Row
from benchmark.results.results import Details, PlanResults, ReviewTexts
from benchmark.tracking.records import RunRecord

OF_EACH_KIND = 100  # reviews; three kinds keep the page below 5 MB at any size of the test part
OF_CHALLENGE = {"disagree": 60, "wrong": 40, "random": 40}  # reviews of each challenge set
LONGEST = 4000  # characters shown of a review
RANDOM_SEED = 2077


@dataclass(frozen=True, slots=True)
class Chosen:
    """The reviews shown.

    Attributes:
        models: names of the M models.
        places: of each review among the N, by kind.
        positive: (M, N) probability of `positive`, the mean over a model's seeds.
        explained: each model's word attributions, by review id.
    """

    models: tuple[str, ...]
    places: Mapping[str, np.ndarray]
    positive: np.ndarray
    explained: Mapping[str, Sequence[Explained]]

    @property
    def all_places(self) -> list[int]:
        """Return each review once, those that models disagree on most first."""
        return each_once(self.places)


def choose_reviews(results: PlanResults, details: Details, rows: Sequence[Row]) -> Chosen:
    """Choose reviews that models disagree on most, that all get wrong most surely, random and explained ones."""
    if not rows:
        return Chosen((), {}, np.zeros((0, len(results.labels))), {})
    positive = np.stack([mean_positive(results.logits, results.finished(row.plan)) for row in rows])
    places = pick_reviews(results.ids, results.labels, positive, dict.fromkeys(OF_CHALLENGE, OF_EACH_KIND))
    explained = explained_reviews(results, details, rows)
    place_of = {review_id: place for place, review_id in enumerate(results.ids)}
    places["explained"] = np.array([place_of[review_id] for review_id in explained], dtype=np.int64)
    return Chosen(tuple(row.name for row in rows), places, positive, explained)


def each_once(places: Mapping[str, np.ndarray]) -> list[int]:
    """Return the places of all kinds, each once, in the order of the kinds."""
    return list(dict.fromkeys(int(place) for of_kind in places.values() for place in of_kind))


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return at most so many characters of a text, and an ellipsis where there are more."""
    return text if len(text) <= longest else f"{text[:longest]} …"


def mean_positive(logits: Mapping[str, np.ndarray], runs: Sequence[RunRecord]) -> np.ndarray:
    """Return (N,) the mean over runs of the probability of `positive`, by logits per run id."""
    return np.asarray(np.mean([probabilities(logits[run.run_id])[:, 1] for run in runs], axis=0))


def pick_reviews(
    ids: np.ndarray, labels: np.ndarray, positive: np.ndarray, most: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Return the places of reviews by kind, at most so many of each.

    Args:
        ids: (N,).
        labels: (N,) 0 or 1.
        positive: (M, N) probability of `positive` by model.
        most: by kind: `disagree` where models do most, `wrong` where all are most surely, `random`.
    """
    wrong = np.where(labels == 1, 1 - positive, positive).min(axis=0)  # (N,) the least any model gives it
    places: dict[str, np.ndarray] = {}
    if len(positive) > 1:
        disagree = (positive.min(axis=0) <= 0.5) & (positive.max(axis=0) > 0.5)
        places["disagree"] = _top(np.ptp(positive, axis=0), disagree, ids)[: most["disagree"]]
    places["wrong"] = _top(wrong, wrong > 0.5, ids)[: most["wrong"]]
    drawn = np.random.default_rng(RANDOM_SEED).choice(len(ids), min(most["random"], len(ids)), replace=False)
    places["random"] = np.argsort(ids.astype(str))[np.sort(drawn)]  # whatever order the files have
    return places


def reviews_json(results: PlanResults, details: Details, chosen: Chosen, texts: ReviewTexts) -> dict[str, Any]:
    """Return what the page's script shows: models, and one object per review without what is not known."""
    kinds = {kind: set(places.tolist()) for kind, places in chosen.places.items()}
    reviews = []
    for place in chosen.all_places:
        review_id = str(results.ids[place])
        review: dict[str, Any] = {
            "id": review_id,
            "label": int(results.labels[place]),
            "positive": [rounded(float(value)) for value in chosen.positive[:, place]],
            "kinds": [kind for kind, members in kinds.items() if place in members],
        }
        if review_id in texts.texts:
            text = texts.texts[review_id]
            review["words"] = len(text.split())
            plain, displayed_at = displayed_text(text)
            why = chosen.explained.get(review_id)
            if why:
                review["why"] = explained_json(why, displayed_at)
            review["text"] = plain if why else shortened(plain)
        if details.stars is not None and not np.isnan(details.stars[place]):
            review["stars"] = int(details.stars[place])
        if details.films is not None and details.films[place]:
            review["film"] = str(details.films[place])
        if details.also_in_train is not None and details.also_in_train[place]:
            review["known"] = True
        reviews.append(review)
    return {"models": list(chosen.models), "reviews": reviews}


def _top(score: np.ndarray, wanted: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the places of the wanted reviews with the highest scores, equal ones in the order of their ids."""
    order = np.lexsort((ids.astype(str), -score))
    return np.asarray(order[wanted[order]])


def rounded(probability: float) -> float:
    """Return the probability with four digits, on its side of 0.5."""
    short = round(probability, 4)
    return probability if short == 0.5 else short  # at 0.5 rounding would hide the answer
