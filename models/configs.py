"""The settings of our own models. Imports no torch."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.registry import ModelConfig


class RecurrentLayersConfig(ModelConfig):
    """Embedding and one or more recurrent layers."""

    embedding_dim: int = Field(default=128, ge=1)
    """E, width of a word's vector."""
    hidden_dim: int = Field(default=256, ge=1)
    """H, width of the recurrent state, for each direction."""
    layers: int = Field(default=1, ge=1, le=8)
    """Recurrent layers, one upon the other."""
    bidirectional: bool = False
    """Read each review backwards as well."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """On the word vectors, between layers and on the pooled vector, in training only."""


class RecurrentConfig(RecurrentLayersConfig):
    """Recurrent layers, pooling over the real tokens, a linear layer."""

    pooling: Literal["last", "mean", "max"] = "max"
    """How the states of the real tokens become one vector."""


class AttentionConfig(RecurrentLayersConfig):
    """Recurrent layers, a mean of the real tokens' states that attention weights, a linear layer."""

    attention_dim: int = Field(default=128, ge=1)
    """A, width of the layer that scores each state."""


class EncoderConfig(BaseModel):
    """Which pre-trained encoder, and how one knows that it is the one meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: Path | None = Field(default=None, strict=False)
    """A local folder with config.json, model.safetensors and the tokenizer; null: `hub`, or the embedded MiniLM."""
    name: str | None = None
    """What the report calls the folder's encoder; null: the folder's own name."""
    hub: str | None = None
    """A repository on the Hugging Face hub, as google-bert/bert-base-uncased; `path` may then be a local copy of it."""
    revision: str | None = None
    """The repository's commit, 40 hex digits."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Expected sha256 of model.safetensors; null: any in a folder, the publisher's for the hub's and the embedded."""

    @field_validator("hub")
    @classmethod
    def _hub_is_a_name(cls, hub: str | None) -> str | None:
        if hub is not None and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub, re.ASCII):
            raise ValueError("should be a repository's name on the hub, such as google-bert/bert-base-uncased")
        return hub

    @field_validator("revision")
    @classmethod
    def _revision_is_a_commit(cls, revision: str | None) -> str | None:
        if revision is not None and not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise ValueError(
                "should be a commit, 40 hex digits, as the repository's page lists them under Files, History: a "
                "branch or tag can be moved, and results would not be repeatable"
            )
        return revision

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.hub is not None and self.path is not None and self.sha256 is None:
            raise ValueError("`path` beside `hub` is a local copy of it, which only `sha256` can prove; give that too")
        if self.hub is not None and self.revision is None:
            raise ValueError("`hub` needs `revision`, the commit: what a repository holds can change")
        if self.revision is not None and self.hub is None:
            raise ValueError("`revision` goes with `hub`, the repository that it is a commit of")
        if self.name is not None and (self.path is None or self.hub is not None):
            raise ValueError("`name` goes with `path`; the embedded encoder and the hub's have names of their own")
        return self

    @property
    def embedded(self) -> bool:
        """Whether it is the MiniLM that is installed with the suite."""
        return self.path is None and self.hub is None


class BertConfig(ModelConfig):
    """A pre-trained encoder with the head of the 2021 experiment: Linear, ReLU, Linear."""

    encoder: EncoderConfig = EncoderConfig()
    """The pre-trained encoder."""
    head_dim: int = Field(default=32, ge=1)
    """Width of the head's hidden layer."""
    pooling: Literal["cls", "mean"] = "cls"
    """The first token's state, or the mean of the real tokens' states."""
    layers: Literal["last", "all"] = "last"
    """Pool the last layer, or all of them (embeddings included) side by side."""


class FrozenBertConfig(BertConfig):
    """The encoder gets no gradient; only the head learns."""

    standardize: bool = False
    """Scale each feature to mean 0 and variance 1 over the train part before the head."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """On the pooled features, in training only."""


class FinetunedBertConfig(BertConfig):
    """The encoder learns with the head."""

    attention_dropout: float = Field(default=0.1, ge=0, lt=1)
    """On attention weights. 0 lets torch take its flash kernel on a CPU: 1.7 times the training speed."""
    hidden_dropout: float = Field(default=0.1, ge=0, lt=1)
    """On the encoder's hidden states."""
    freeze_embeddings: bool = False
    """Leave the word, position and type embeddings as they were pre-trained."""
    head_learning_rate_scale: float = Field(default=1.0, gt=0)
    """Multiple of the run's learning rate for the head, which starts from nothing."""


class BowConfig(ModelConfig):
    """Logistic regression on which n-grams a review has."""

    ngrams: int = Field(default=2, ge=1, le=3)
    """Longest n-gram: 1 words alone, 2 pairs as well, 3 triples too."""
    max_features: int = Field(default=500_000, ge=1)
    """Most n-grams with a weight of their own: those that the most reviews of the train part have."""
    min_count: int = Field(default=2, ge=1)
    """An n-gram in fewer reviews of the train part is no feature."""
    naive_bayes: bool = True
    """Multiply each feature by its log-count ratio (Wang & Manning 2012)."""
    alpha: float = Field(default=1.0, gt=0)
    """Added to each count before the ratio is taken."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """On the features, in training only."""
