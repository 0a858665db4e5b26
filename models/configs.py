"""Settings of the suite's models. Imports no torch."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from data_pipeline.errors import Line
from data_pipeline.paths import LocatedPath
from models.registry import LATER, ModelConfig


class EncoderConfig(BaseModel):
    """A pre-trained encoder: where it is, and its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: LocatedPath | None = None
    """A local folder with config.json, model.safetensors (or shards) and tokenizer; null: `hub`, or the MiniLM."""
    name: Line | None = None
    """Name of the folder's encoder in the report; null: the folder's name."""
    hub: str | None = None
    """A repository on the Hugging Face hub, such as google-bert/bert-base-uncased; `path` may be a local copy of it."""
    revision: str | None = None
    """The repository's commit, 40 hex digits."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Expected sha256 of model.safetensors (shards: of `sha256sum model-*.safetensors`); null: any in a
    folder, the publisher's for the hub's and the embedded."""

    @field_validator("hub")
    @classmethod
    def _hub_is_a_name(cls, hub: str | None) -> str | None:
        if hub is not None and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub, re.ASCII):
            raise ValueError("expected a repository's name on the hub, such as google-bert/bert-base-uncased")
        return hub

    @field_validator("revision")
    @classmethod
    def _revision_is_a_commit(cls, revision: str | None) -> str | None:
        if revision is not None and not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise ValueError("expected a commit, 40 hex digits (see Files, History), as a branch or tag can move")
        return revision

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        if self.hub is not None and self.path is not None and self.sha256 is None:
            raise ValueError("`path` with `hub` must be a local copy of it. Add `sha256`, which proves that.")
        if self.hub is not None and self.revision is None:
            raise ValueError("`hub` needs `revision`, the commit: the content of a repository can change")
        if self.revision is not None and self.hub is None:
            raise ValueError("`revision` needs `hub`, the repository of this commit")
        if self.name is not None and (self.path is None or self.hub is not None):
            raise ValueError("`name` is for a folder: use it with `path` and without `hub`")
        return self

    @property
    def embedded(self) -> bool:
        """Whether this is the MiniLM that is installed with the suite."""
        return self.path is None and self.hub is None


class VectorsConfig(BaseModel):
    """A text file of word vectors, such as GloVe's, word2vec's or fastText's."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: LocatedPath
    """The file, `.gz` or not."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Expected sha256 of the file; null: any."""


class WordsConfig(ModelConfig):
    """A vector per word of the vocabulary."""

    embedding_dim: int = Field(default=128, ge=1)
    """Width of a word's vector."""
    vectors: Literal["encoder"] | VectorsConfig | None = Field(default=None, json_schema_extra=LATER)
    """Where the vectors begin: null, at random; `{path: glove.txt}`, of a file; `encoder`, each the mean of its pieces'
    input vectors in a pre-trained encoder. A word that has none there begins at random."""
    encoder: EncoderConfig | None = Field(default=None, json_schema_extra=LATER)
    """The encoder of `vectors: encoder`; null: the embedded MiniLM."""
    freeze_vectors: bool = Field(default=False, json_schema_extra=LATER)
    """Do not train the vectors."""
    word_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the words whose vectors are zero in a training step (Gal & Ghahramani 2016)."""

    @model_validator(mode="before")
    @classmethod
    def _embedded_encoder(cls, raw: Any) -> Any:
        """Name the embedded encoder where `vectors: encoder` names none, so that a run's settings have it."""
        if isinstance(raw, dict) and raw.get("vectors") == "encoder" and raw.get("encoder") is None:
            return {**raw, "encoder": {}}
        return raw

    @model_validator(mode="after")
    def _vectors_fit(self) -> Self:
        if self.encoder is not None and self.vectors != "encoder":
            raise ValueError("`encoder` goes with `vectors: encoder`")
        if self.freeze_vectors and self.vectors is None:
            raise ValueError("`freeze_vectors` needs `vectors`: vectors at random would stay so")
        return self


class RecurrentLayersConfig(WordsConfig):
    """Embedding and one or more recurrent layers."""

    hidden_dim: int = Field(default=256, ge=1)
    """Width of the recurrent state, per direction."""
    layers: int = Field(default=1, ge=1, le=8)
    """Stacked recurrent layers."""
    bidirectional: bool = False
    """Read each review backwards too."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout on the word vectors, between layers and on the pooled vector."""


class RecurrentConfig(RecurrentLayersConfig):
    """Recurrent layers, pooling over the real tokens, a linear layer."""

    pooling: Literal["last", "mean", "max"] = "max"
    """Makes one vector of the real tokens' states."""


class AttentionConfig(RecurrentLayersConfig):
    """Recurrent layers, attention pooling over the real tokens, a linear layer."""

    attention_dim: int = Field(default=128, ge=1)
    """Width of the layer that scores each state."""
    attention_learning_rate_scale: float = Field(default=0.1, gt=0)
    """Multiple of the run's learning rate for the attention, which has little to learn from before the states mean
    something."""


class TextCnnConfig(WordsConfig):
    """Filters over neighbouring words, the maximum of each over the review, a linear layer (Kim 2014)."""

    filters: int = Field(default=100, ge=1)
    """Filters of each width."""
    widths: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(default=(3, 4, 5), min_length=1, strict=False)
    """Neighbouring words that a filter reads."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout on the word vectors and on the pooled vector."""


class BertConfig(ModelConfig):
    """A pre-trained encoder with the head of the 2021 experiment: Linear, ReLU, Linear."""

    encoder: EncoderConfig = EncoderConfig()
    head_dim: int = Field(default=32, ge=1)
    """Width of the head's hidden layer."""
    pooling: Literal["cls", "mean"] = "cls"
    """The first token's state, or the mean of the real tokens' states."""
    layers: Literal["last", "all"] = "last"
    """Pool the last layer, or all of them (embeddings included) side by side."""


class FrozenBertConfig(BertConfig):
    """A frozen encoder: only the head learns."""

    standardize: bool = False
    """Scale each feature to mean 0 and variance 1 over the train part before the head."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the pooled features."""


class FinetunedBertConfig(BertConfig):
    """An encoder that learns with the head."""

    attention_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout on attention weights."""
    hidden_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout on the encoder's hidden states."""
    freeze_embeddings: bool = False
    """Do not train the word, position and type embeddings."""
    head_learning_rate_scale: float = Field(default=1.0, gt=0)
    """Multiple of the run's learning rate for the head, which is not pre-trained."""


class BowConfig(ModelConfig):
    """Logistic regression on the n-grams of a review."""

    ngrams: int = Field(default=2, ge=1, le=3)
    """Longest n-gram: 1 words alone, 2 pairs as well, 3 triples too."""
    max_features: int = Field(default=500_000, ge=1)
    """Most n-grams with a weight: those in the most reviews of the train part."""
    min_count: int = Field(default=2, ge=1)
    """Fewest reviews of the train part that an n-gram must be in."""
    naive_bayes: bool = True
    """Multiply each feature by its log-count ratio (Wang & Manning 2012)."""
    alpha: float = Field(default=1.0, gt=0)
    """Added to each count before the ratio is computed."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the features."""
