"""Find the texts of challenge sets on this machine, by the ids of their reviews; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from benchmark.results.results import ReviewTexts
from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.challenges import load_challenges
from data_pipeline.errors import DataError
from data_pipeline.review import Review
from data_pipeline.sources import Place


def find_challenge_texts(
    settings: Iterable[Mapping[str, Any]], wanted: Mapping[str, Collection[str]], place: Place, test: Sequence[Review]
) -> ReviewTexts:
    """Find the texts of the wanted reviews of each set.

    Args:
        settings: recorded settings of the runs; the first that names a set says where it comes from.
        wanted: ids by the name of the set.
        place: where published files are.
        test: the test part, of which some sets are made.
    """
    recorded: dict[str, Any] = {}
    for each in settings:
        recorded = {**each.get("challenges", {}), **recorded}
    texts: dict[str, str] = {}
    missing = []
    for name, ids in wanted.items():
        # `evaluate` leaves no settings; a published set has the name of its source.
        found, why = _read(name, recorded.get(name, {"source": name}), place, test)
        texts |= {review_id: found[review_id] for review_id in ids if review_id in found}
        if absent := len(set(ids) - set(found)):
            missing.append(why or f"{absent} of the reviews of {name} have no text in it as it is now.")
    return ReviewTexts(texts, " ".join(missing))


def _read(name: str, recorded: Any, place: Place, test: Sequence[Review]) -> tuple[dict[str, str], str]:
    """Return texts by id, and why there are none."""
    try:
        config = ChallengeConfig.model_validate(recorded)
    except ValidationError:
        return {}, f"The texts of {name} are not shown: the runs do not record where they come from."
    try:
        (found,) = load_challenges({name: config}, place, test, download=False)
    except DataError as error:
        return {}, f"The texts of {name} are not shown: {str(error).rstrip('.')}."
    return {review.id: review.text for review in found.reviews}, ""
