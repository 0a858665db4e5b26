"""Read another system's predictions from a table and match them with reviews. N reviews."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_pipeline.config import LabelsConfig, spelled
from data_pipeline.errors import DataError, one_line
from data_pipeline.review import Review, normalised
from data_pipeline.table_formats import read_records

LABEL, PROBABILITY, LOGITS = "label", "probability", ("logit_negative", "logit_positive")
COLUMNS = ("id", "text", LABEL, PROBABILITY, *LOGITS)
NEAREST = 1e-7  # a probability is kept so far from 0 and 1: log loss is finite
LARGEST = 1e30  # of a logit; NaN is above it
QUOTED, SHOWN = 60, 3  # characters of a wrong value, and missing reviews, that a message shows


@dataclass(frozen=True, slots=True)
class ForeignPredictions:
    """What another system predicts.

    Attributes:
        logits: (N, 2) float32, in the order of the reviews.
        only_labels: the file has no probabilities: logits are -1 and 1.
    """

    logits: np.ndarray
    only_labels: bool


def read_foreign(path: Path, reviews: Sequence[Review], part: str) -> ForeignPredictions:
    """Read the predictions of a table: id or text, and label (the predicted one), probability or both logits.

    Args:
        path: CSV, TSV, JSON, JSON lines or parquet.
        reviews: all that must be predicted, each once.
        part: what they are, for messages.

    Raises:
        DataError: a column or a review is missing or there twice, or a value is wrong.
    """
    records = read_records(path, _places, others=False)
    places, index = _places(records.header), _Index(reviews, part)
    found: dict[int, tuple[float, float]] = {}
    for record in records.rows:
        cells = {name: record.cells[place] for name, place in places.items()} if not record.fault else {}
        try:
            if record.fault:
                raise ValueError(record.fault)
            place = index.find(cells, found)
            if place in found:
                raise ValueError(f"review {reviews[place].id} is there twice. Remove a row.")
            found[place] = _logits(cells)
        except ValueError as error:
            raise DataError(f"{path}, {record.where}: {error}") from None
    if missing := [review.id for place, review in enumerate(reviews) if place not in found]:
        shown = ", ".join(missing[:SHOWN]) + ", ..." * (len(missing) > SHOWN)
        raise DataError(
            f"{path}: {len(missing):,} of {len(reviews):,} reviews of {part} are missing ({shown}). Add them."
        )
    logits = np.array([found[place] for place in range(len(reviews))], dtype=np.float32)
    return ForeignPredictions(logits, only_labels=not {PROBABILITY, *LOGITS} & places.keys())


def _places(header: Sequence[str]) -> dict[str, int]:
    """Return where the columns are; raise ValueError where one is there twice, or too few are there."""
    names = [name.strip().casefold() for name in header]
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise ValueError(f"more than one column {twice[0]}. Remove one.")
    found = {name: names.index(name) for name in COLUMNS if name in names}
    shown = f"the header is {one_line(','.join(header))[:QUOTED]!r}"
    if not {"id", "text"} & found.keys():
        raise ValueError(f"no column id and no column text; {shown}. `export FILE.csv --on ...` writes both.")
    logits = set(LOGITS) & found.keys()
    if len(logits) == 1:
        raise ValueError(f"one of {' and '.join(LOGITS)} is missing; {shown}. Add it.")
    if logits and PROBABILITY in found:
        raise ValueError(f"columns {PROBABILITY} and {LOGITS[0]}; {shown}. Remove one of them.")
    if not logits and not {LABEL, PROBABILITY} & found.keys():
        raise ValueError(f"no column {LABEL}, {PROBABILITY} or {LOGITS[0]}; {shown}. Add one.")
    return found


class _Index:
    """Reviews found by id, by text, and by what of a text is left once it is `normalised`."""

    def __init__(self, reviews: Sequence[Review], part: str) -> None:
        self._reviews, self._part = reviews, part
        self._ids = {review.id: place for place, review in enumerate(reviews)}
        self._texts: dict[str, list[int]] = defaultdict(list)
        self._normalised: dict[str, list[int]] = defaultdict(list)
        for place, review in enumerate(reviews):
            self._texts[review.text].append(place)
            self._normalised[normalised(review.text)].append(place)

    def find(self, cells: Mapping[str, Any], taken: Mapping[int, Any]) -> int:
        """Return the place of a row's review, of equal texts one that is not taken; raise ValueError without one."""
        text = cells.get("text")
        if "id" in cells:
            found = self._ids.get(str(cells["id"]).strip())
            if found is None:
                raise ValueError(f"id {_quoted(cells['id'])} is no review of {self._part}. Remove the row.")
            if text is not None and normalised(str(text)) != normalised(self._reviews[found].text):
                raise ValueError(f"the text is not that of id {self._reviews[found].id}. Correct one of them.")
            return found
        same = self._texts.get(str(text), [])
        if not same:
            same = self._normalised.get(normalised(str(text)), [])
            if len(same) != 1:
                fits = f"fits {len(same)} reviews" if same else "is no review"
                raise ValueError(f"the text {_quoted(text)} {fits} of {self._part}. Give the id.")
        return next((place for place in same if place not in taken), same[0])


def _logits(cells: Mapping[str, Any]) -> tuple[float, float]:
    """Return what a row predicts; raise ValueError where it is no prediction, or contradicts itself."""
    label = None
    if LABEL in cells:
        label = LabelsConfig().by_spelling().get(spelled(cells[LABEL]))
        if label is None:
            raise ValueError(f"label {_quoted(cells[LABEL])}. Write 0 (negative) or 1 (positive).")
    if PROBABILITY in cells:
        chance = _number(cells, PROBABILITY)
        if not 0 <= chance <= 1:
            raise ValueError(f"{PROBABILITY} {chance:g} (expected 0 to 1, of positive). Correct it.")
        near = min(max(chance, NEAREST), 1 - NEAREST)
        negative, positive = 0.0, math.log(near / (1 - near))
    elif LOGITS[0] in cells:
        negative, positive = (float(np.float32(_number(cells, name))) for name in LOGITS)
    else:
        return (-1.0, 1.0) if label else (1.0, -1.0)
    if label is not None and negative != positive and label != (positive > negative):
        said = f"{PROBABILITY} {cells[PROBABILITY]}" if PROBABILITY in cells else f"{' and '.join(LOGITS)}"
        raise ValueError(f"label {cells[LABEL]} contradicts {said}. Correct one of them.")
    if label and negative == positive:  # a tie is decided by the label
        positive = float(np.nextafter(np.float32(positive), np.float32(math.inf)))
    return negative, positive


def _number(cells: Mapping[str, Any], name: str) -> float:
    try:
        value = float(cells[name])
    except (TypeError, ValueError):
        value = math.nan
    if not abs(value) <= LARGEST:
        raise ValueError(f"{name} {_quoted(cells[name])} is no number. Correct it.")
    return value


def _quoted(value: Any) -> str:
    return one_line(repr(value))[:QUOTED]
