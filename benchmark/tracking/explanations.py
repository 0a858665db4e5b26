"""What `explain` finds about reviews: positions and numbers, no text.

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
    """How much each token of one review adds to one network's answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: tuple[tuple[int, int], ...]
    """(T,) start and end of each token in the review's raw text; equal for a special token."""
    attributions: tuple[float, ...]
    """(T,) logits that each token adds to the margin; above 0: in favour of positive."""
    attention: tuple[float, ...] | None
    """(T,) share of the network's attention on each token, which is no attribution; None without attention."""
    margin: float
    """Logit of positive minus logit of negative, in fp32."""
    baseline_margin: float
    """Margin for a review of as many tokens without meaning."""
    completeness_error: float
    """See `completeness_error`."""
    steps: int
    """Points on the path at which the gradient was computed; 0: the attributions are exact."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        lengths = {len(self.tokens), len(self.attributions), len(self.attention or self.tokens)}
        if len(lengths) > 1:
            raise ValueError("the numbers of tokens, attributions and attention weights differ")
        return self


class Explanations(BaseModel):
    """One run's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    """Raised when the meaning of a name or number changes; files of other versions are not read."""
    reviews: dict[str, ReviewExplanation] = {}
    """By review id."""


def completeness_error(attributions: float, change: float) -> float:
    """Return how far the attributions' sum is from the change of the margin, relative to that change; 0 is exact."""
    return abs(attributions - change) / max(abs(change), SMALLEST_CHANGE)


def allowed(change: float) -> float:
    """Return the logits by which attributions may miss the change of the margin, at an error of TOLERANCE."""
    return TOLERANCE * max(abs(change), SMALLEST_CHANGE)


def read_explanations(store: TrackingStore, run_id: str) -> Explanations:
    """Read the run's explanations; none without such a file, or with one of another version."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return explanations_in(store.artifact(run_id, EXPLANATIONS_FILE, Path(folder)).parent)
        except TrackingError:
            return Explanations()


def explanations_in(folder: Path) -> Explanations:
    """Read the explanations in a run's folder of an export."""
    try:
        return Explanations.model_validate_json((folder / EXPLANATIONS_FILE).read_bytes())
    except (OSError, ValidationError):
        return Explanations()


def write_explanations(store: TrackingStore, run_id: str, explanations: Explanations) -> None:
    """Write the run's explanations, in place of those that it had."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / EXPLANATIONS_FILE).write_text(explanations.model_dump_json(), encoding="utf-8")
        store.reopen(run_id).log_artifacts(Path(folder))
