"""What `explain` finds of one review: places and numbers, no review's text. Plain values: no torch.

T tokens of the review that the network read, special tokens included.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from benchmark.tracking.client import TrackingError
from benchmark.tracking.records import EXPLANATIONS_FILE

if TYPE_CHECKING:
    from benchmark.tracking.store import TrackingStore

TOLERANCE = 0.01  # of `completeness_error`
SMALLEST_CHANGE = 0.1  # logits; where the margin changes by less, its error is measured against this


class ReviewExplanation(BaseModel):
    """Why one network says of one review what it says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: tuple[tuple[int, int], ...]
    """(T,) start and end of each token in the review's raw text; equal where it is a special one."""
    attributions: tuple[float, ...]
    """(T,) logits that each token adds to the margin; above 0 it speaks for positive."""
    attention: tuple[float, ...] | None
    """(T,) share of its attention that the network pays each token; None where it has none. No attribution: what is
    attended to may speak for either label, or for none."""
    margin: float
    """Logit of positive minus logit of negative, in fp32."""
    baseline_margin: float
    """The same of a review of as many tokens that stand for nothing."""
    completeness_error: float
    """How far the sum of the attributions is from the difference of the two margins, as a part of that difference."""
    steps: int
    """Points of the path that the gradient was taken at; 0 where the attributions are exact."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        lengths = {len(self.tokens), len(self.attributions), len(self.attention or self.tokens)}
        if len(lengths) > 1:
            raise ValueError("there should be as many tokens as attributions and attention weights")
        return self


class Explanations(BaseModel):
    """What one run's file holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    """To be raised when the names, or how the numbers are made, change their meaning; another one is not read."""
    reviews: dict[str, ReviewExplanation] = {}
    """By the review's id."""


def completeness_error(attributions: float, change: float) -> float:
    """How far a sum of attributions is from the change of the margin, relative to that; 0 is exact."""
    return abs(attributions - change) / max(abs(change), SMALLEST_CHANGE)


def allowed(change: float) -> float:
    """Logits by which attributions may miss the change of the margin: those of an error of TOLERANCE."""
    return TOLERANCE * max(abs(change), SMALLEST_CHANGE)


def read_explanations(store: TrackingStore, run_id: str) -> Explanations:
    """What is kept with the run; nothing where there is no such file, or one of another version."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return explanations_in(store.artifact(run_id, EXPLANATIONS_FILE, Path(folder)).parent)
        except TrackingError:
            return Explanations()


def explanations_in(folder: Path) -> Explanations:
    """What the file in a run's folder of an export says; nothing likewise."""
    try:
        return Explanations.model_validate_json((folder / EXPLANATIONS_FILE).read_bytes())
    except (OSError, ValidationError):
        return Explanations()


def write_explanations(store: TrackingStore, run_id: str, explanations: Explanations) -> None:
    """Keep them with the run, in the place of those that it had; nothing else of it changes.

    Raises:
        TrackingError: the store does not take them.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / EXPLANATIONS_FILE).write_text(explanations.model_dump_json(), encoding="utf-8")
        store.reopen(run_id).log_artifacts(Path(folder))
