"""Find the texts of reviews by their ids on this machine; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from benchmark.results.challenge_texts import find_challenge_texts
from benchmark.results.results import ReviewTexts
from data_pipeline.config import DataConfig
from data_pipeline.errors import DataError
from data_pipeline.sources import Place, Source, read_source


def find_texts(
    settings: Sequence[Mapping[str, Any]],
    wanted: Collection[str],
    challenges: Mapping[str, Collection[str]],
    place: Place,
    *,
    test: Iterable[str],
    insist: bool,
) -> ReviewTexts:
    """Find the texts of the wanted reviews.

    Args:
        settings: recorded settings of the runs; the first that names its reviews says where they come from.
        wanted: ids of test reviews.
        challenges: ids of other reviews, by the name of their set.
        place: where the reviews are.
        test: ids of the whole test part, of which some sets are made.
        insist: raise what is wrong with `place`, which the user named.

    Raises:
        DataError: with `insist`, the reviews there cannot be read, or the runs did not read official ones.
    """
    source, missing = _read(settings, place, insist=insist)
    every = (*source.reviews, *(source.official_test or ())) if source is not None else ()
    reviews = {review.id: review for review in every}
    texts = {review_id: reviews[review_id].text for review_id in wanted if review_id in reviews}
    if source is not None and (absent := len(set(wanted) - set(texts))):
        missing = f"{absent} of these reviews have no text in {source.name}."
    known = [reviews[review_id] for review_id in test if review_id in reviews]
    others = find_challenge_texts(settings, challenges, place, known)
    return ReviewTexts({**texts, **others.texts}, " ".join(filter(None, (missing, others.missing))))


def _read(settings: Iterable[Mapping[str, Any]], place: Place, *, insist: bool) -> tuple[Source | None, str]:
    """Return the reviews of the runs, or why there are none."""
    config = next((found for each in settings if (found := _data_config(each)) is not None), None)
    if config is None:
        return None, "The reviews' texts are not shown: the runs do not record where they come from."
    if insist and config.source != "aclimdb":
        raise DataError(
            f"--data: unused by these runs (got source `{config.source}`, expected `aclimdb`); leave it out"
        )
    try:
        return read_source(config, place, download=False), ""
    except DataError as error:
        if insist:
            raise
        return None, f"The reviews' texts are not shown: {str(error).rstrip('.')}."


def _data_config(settings: Mapping[str, Any]) -> DataConfig | None:
    try:
        return DataConfig.model_validate(settings["data"])
    except (ValidationError, KeyError):
        return None
