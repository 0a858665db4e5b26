"""The texts of test reviews by their ids, out of the corpus at hand. Nothing is downloaded for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from benchmark.results.details import ReviewTexts
from data_pipeline.config import DataConfig
from data_pipeline.errors import DataError
from data_pipeline.review import Review
from data_pipeline.sources import Place, read_source


def find_texts(
    settings: Iterable[Mapping[str, Any]], wanted: Collection[str], place: Place, *, insist: bool
) -> ReviewTexts:
    """Texts of the reviews wanted, and a sentence where some or all are not to be had.

    Args:
        settings: recorded settings of the runs; the first that names its reviews says where they come from.
        wanted: ids.
        place: where the official reviews are.
        insist: the place was asked for, so what is wrong with it is no reason to do without.

    Raises:
        DataError: with `insist`, the reviews there cannot be read, or the runs did not read official ones.
    """
    config = next((found for each in settings if (found := _data_config(each)) is not None), None)
    if config is None:
        return ReviewTexts(missing="The reviews' texts are not shown: the runs do not record where they come from.")
    if insist and config.source != "aclimdb":
        raise DataError(
            f"--data: the runs read source `{config.source}`, not the official reviews; leave the option out"
        )
    try:
        source = read_source(config, place, download=False)
    except DataError as error:
        if insist:
            raise
        return ReviewTexts(missing=f"The reviews' texts are not shown, for they are not at hand: {error}.")
    reviews: list[Review] = [*source.reviews, *(source.official_test or ())]
    ids = set(wanted)
    texts = {review.id: review.text for review in reviews if review.id in ids}
    missing = len(ids - set(texts))
    lacking = f"The texts of {missing} of these reviews are not in the corpus at hand ({source.name})."
    return ReviewTexts(texts, lacking if missing else "")


def _data_config(settings: Mapping[str, Any]) -> DataConfig | None:
    try:
        return DataConfig.model_validate(settings["data"])
    except (ValidationError, KeyError):
        return None
