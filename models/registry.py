"""The models that a run can name. Importing this imports neither torch nor any model."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from models.plugins import load_entry_points

if TYPE_CHECKING:
    from data_pipeline.batch import Batch
    from models.classifier import Classifier
from data_pipeline.errors import did_you_mean

TokenizerKind = Literal["word", "wordpiece"]

BUILTIN = "models.builtin"  # the module that registers what comes with the suite


class ModelConfig(BaseModel):
    """Base of every model's settings; unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    """The registered model."""


@dataclass(frozen=True, slots=True)
class ModelContext:
    """What a builder may know of the data and of the encoder.

    Attributes:
        vocab_size: ids that the tokenizer can produce.
        num_classes: C, the width of the logits.
        encoder_dir: folder with the encoder's config.json and model.safetensors, already checked by hash;
            None where the model names no encoder.
        pretrained: False: the encoder's shape alone is read; its weights come with the classifier's whole state.
    """

    vocab_size: int
    num_classes: int = 2
    encoder_dir: Path | None = None
    pretrained: bool = True


Builder = Callable[[Any, ModelContext], "Classifier"]
Preparation = Callable[["Classifier", "Iterable[Batch]"], None]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One registered model.

    Attributes:
        name: what experiments.yaml calls it.
        config_class: type of its settings.
        build: makes the network from settings and context.
        tokenizer: `word` (torchtext, vocabulary from train) or `wordpiece` (the encoder's own).
        cache_features: its encoder never changes, so what it makes of a review may be kept on disk;
            the network then has `extract_features` and takes `Batch.features`.
        prepare: called once before training with the network and the training batches, or None.
        baseline: no candidate of the comparison, but what a candidate must beat to be worth its cost.
    """

    name: str
    config_class: type[ModelConfig]
    build: Builder
    tokenizer: TokenizerKind
    cache_features: bool = False
    prepare: Preparation | None = None
    baseline: bool = False

    @property
    def plugin(self) -> Path | None:
        """The file that the model comes from, None where it came with the suite."""
        return None if self.build.__module__ == BUILTIN else Path(inspect.getfile(self.build))

    @property
    def plugin_sha256(self) -> str | None:
        """Hash of that file, None likewise."""
        return None if self.plugin is None else hashlib.sha256(self.plugin.read_bytes()).hexdigest()


class UnknownModelError(ValueError):
    """A model name that nobody registered."""


_REGISTRY: dict[str, ModelSpec] = {}


def register_model(
    name: str,
    *,
    config: type[ModelConfig],
    tokenizer: TokenizerKind,
    cache_features: bool = False,
    prepare: Preparation | None = None,
    baseline: bool = False,
) -> Callable[[Builder], Builder]:
    """Register the decorated function as the builder of model `name`.

    Raises:
        ValueError: the name is taken, or what builds it is neither function nor class.
    """

    def decorate(build: Builder) -> Builder:
        try:
            inspect.getfile(build)  # as `ModelSpec.plugin` will
        except TypeError:
            raise ValueError(f"model {name!r}: its builder is no function or class, whose file could be told") from None
        if name in _REGISTRY:
            raise ValueError(
                f"model {name!r} is registered twice: by {_REGISTRY[name].build.__module__} "
                f"and by {build.__module__}; choose another name"
            )
        _REGISTRY[name] = ModelSpec(name, config, build, tokenizer, cache_features, prepare, baseline)
        return build

    return decorate


def get_model_spec(name: str) -> ModelSpec:
    """The registered model of that name.

    Raises:
        UnknownModelError: there is none; the message suggests a close one.
    """
    names = model_names()
    if name not in names:
        raise UnknownModelError(f"there is no model {name!r}{did_you_mean(name, names)}")
    return _REGISTRY[name]


def model_names() -> list[str]:
    """All registered names, in order of registration."""
    importlib.import_module(BUILTIN)
    load_entry_points()
    return list(_REGISTRY)
