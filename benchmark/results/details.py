"""What the page shows beyond the table: each run's epochs and settings, and what is known of each review.

Knows no store. N test reviews, in the order of `PlanResults.ids`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmark.tracking.explanations import ReviewExplanation


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One finished run.

    Attributes:
        histories: by metric, its value by epoch.
        settings: all of them, nested, as config.yaml has them.
        environment: facts about the machine, nested ones joined with dots.
        tokens: (N,) length of each whole review as this run's tokenizer counts; None: not recorded.
        truncated: (N,) whether the network saw only a part of it; None: not recorded.
        explanations: what `explain` found, by review id.
    """

    histories: Mapping[str, Mapping[int, float]]
    settings: Mapping[str, Any]
    environment: Mapping[str, str]
    tokens: np.ndarray | None
    truncated: np.ndarray | None
    explanations: Mapping[str, ReviewExplanation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Details:
    """Of all finished runs of a plan.

    Attributes:
        runs: by run id.
        also_in_train: (N,) whether the same text stands in train of one of the runs (of several train sizes the smaller
            is a part of the larger); None: not recorded.
        stars: (N,) 1 to 10, NaN where they are not known; None: the corpus does not know them.
        films: (N,) id of the film or ""; None: likewise.
    """

    runs: Mapping[str, RunDetails]
    also_in_train: np.ndarray | None = None
    stars: np.ndarray | None = None
    films: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class ReviewTexts:
    """Texts of reviews, as far as they are at hand.

    Attributes:
        texts: by id.
        missing: a sentence that says why there are none, or not all; empty where nothing is missing.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""
