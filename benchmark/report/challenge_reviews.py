"""Which reviews of challenge sets the page shows, and what it says of each. M reviews of a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.report.beyond import ChallengeVerdict
from benchmark.report.chosen_reviews import (
    LONGEST,
    OF_CHALLENGE,
    each_once,
    mean_positive,
    pick_reviews,
    rounded,
    shortened,
)
from benchmark.report.explained_reviews import displayed_text
from benchmark.results.results import ChallengeResults, ReviewTexts

MOST_CHARACTERS = 2_000_000  # of the texts of all sets: with the test part the page stays below 5 MB


@dataclass(frozen=True, slots=True)
class ChosenChallenge:
    """The reviews shown of one set.

    Attributes:
        results: the set.
        places: of each review among the M, by kind.
        positive: by a model's number on the page, (M,) probability of `positive`, the mean over its seeds; models that
            were not scored on the set are absent.
        partners: place of the other review of its pair, by place; empty where groups are no pairs.
    """

    results: ChallengeResults
    places: Mapping[str, np.ndarray]
    positive: Mapping[int, np.ndarray]
    partners: Mapping[int, int]

    @property
    def all_places(self) -> list[int]:
        """Return each review once, those that models disagree on most first."""
        return each_once(self.places)

    @property
    def ids(self) -> list[str]:
        """Return the ids of the reviews and of their partners, each once."""
        places = self.all_places
        partners = (self.partners[place] for place in places if place in self.partners)
        return [str(self.results.ids[place]) for place in dict.fromkeys((*places, *partners))]


def choose_challenges(challenges: Sequence[ChallengeVerdict], models: Sequence[str]) -> tuple[ChosenChallenge, ...]:
    """Choose reviews of each set that the models, by the order of the page, were scored on."""
    chosen = []
    for found in challenges:
        results = found.results
        runs = {row.row.name: [run for run in row.row.runs if run is not None] for row in found.scored}
        positive = {
            number: mean_positive(results.logits, runs[name]) for number, name in enumerate(models) if name in runs
        }
        places = pick_reviews(results.ids, results.labels, np.stack(list(positive.values())), OF_CHALLENGE)
        partners = _partners(results.groups) if results.groups is not None and found.paired else {}
        chosen.append(ChosenChallenge(results, places, positive, partners))
    return tuple(chosen)


def challenges_json(chosen: Sequence[ChosenChallenge], models: int, texts: ReviewTexts) -> list[dict[str, Any]]:
    """Return one object per review for the page's script, that of its partner in it."""
    shown = sum(len(each.all_places) * (2 if each.partners else 1) for each in chosen)
    longest = min(LONGEST, MOST_CHARACTERS // max(1, shown))
    return [review for each in chosen for review in _set_json(each, models, texts, longest)]


def _set_json(chosen: ChosenChallenge, models: int, texts: ReviewTexts, longest: int) -> list[dict[str, Any]]:
    kinds = {kind: set(places.tolist()) for kind, places in chosen.places.items()}
    seen = np.any(list(chosen.results.in_train.values()), axis=0)
    reviews = []
    for place in chosen.all_places:
        review = _review_json(chosen, place, models, texts, longest)
        review["set"] = chosen.results.name
        review["kinds"] = [kind for kind, members in kinds.items() if place in members]
        if seen[place]:
            review["known"] = True
        if place in chosen.partners:
            review["pair"] = _review_json(chosen, chosen.partners[place], models, texts, longest)
        reviews.append(review)
    return reviews


def _review_json(chosen: ChosenChallenge, place: int, models: int, texts: ReviewTexts, longest: int) -> dict[str, Any]:
    results = chosen.results
    review: dict[str, Any] = {
        "id": str(results.ids[place]),
        "label": int(results.labels[place]),
        "positive": [
            rounded(float(chosen.positive[number][place])) if number in chosen.positive else None
            for number in range(models)
        ],
    }
    if results.original is not None:
        review["role"] = "original" if results.original[place] else "revised"
    text = texts.texts.get(review["id"])
    if text is not None:
        plain, _ = displayed_text(text)
        review |= {"words": len(text.split()), "text": shortened(plain, longest)}
    return review


def _partners(groups: np.ndarray) -> dict[int, int]:
    pairs: dict[str, list[int]] = {}
    for place, group in enumerate(groups.astype(str)):
        pairs.setdefault(group, []).append(place)
    return {one: other for first, second in pairs.values() for one, other in ((first, second), (second, first))}
