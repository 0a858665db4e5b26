"""Find the texts of test reviews by their ids in the corpus on this machine; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from benchmark.results.results import ReviewTexts
from data_pipeline.config import DataConfig
from data_pipeline.errors import DataError
from data_pipeline.sources import Place, read_source


def find_texts(
    settings: Iterable[Mapping[str, Any]], wanted: Collection[str], place: Place, *, insist: bool
) -> ReviewTexts:
    """Find the texts of the wanted reviews.

    Args:
        settings: recorded settings of the runs; the first that names its reviews says where they come from.
        wanted: ids.
        place: where the official reviews are.
        insist: raise what is wrong with `place`, which the user named.

    Raises:
        DataError: with `insist`, the reviews there cannot be read, or the runs did not read official ones.
    """
    config = next((found for each in settings if (found := _data_config(each)) is not None), None)
    if config is None:
        return ReviewTexts(missing="The reviews' texts are not shown: the runs do not record where they come from.")
    if insist and config.source != "aclimdb":
        raise DataError(
            f"--data: unused by these runs (got source `{config.source}`, expected `aclimdb`); leave it out"
        )
    try:
        source = read_source(config, place, download=False)
    except DataError as error:
        if insist:
            raise
        return ReviewTexts(missing=f"The reviews' texts are not shown: {str(error).rstrip('.')}.")
    ids = set(wanted)
    reviews = (*source.reviews, *(source.official_test or ()))
    texts = {review.id: review.text for review in reviews if review.id in ids}
    absent = len(ids - set(texts))
    return ReviewTexts(texts, f"{absent} of these reviews have no text in {source.name}." if absent else "")


def _data_config(settings: Mapping[str, Any]) -> DataConfig | None:
    try:
        return DataConfig.model_validate(settings["data"])
    except (ValidationError, KeyError):
        return None
