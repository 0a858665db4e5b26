"""The models that a run can name. Importing this imports neither torch nor any model."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationInfo, field_serializer, field_validator
from pydantic_core import to_json

from data_pipeline.errors import did_you_mean
from data_pipeline.paths import locate, map_paths
from models.plugins import load_entry_points

if TYPE_CHECKING:
    import numpy as np

    from data_pipeline.batch import Batch
    from models.classifier import Classifier

TokenizerKind = Literal["word", "wordpiece"]

LATER: dict[str, JsonValue] = {
    "later": True
}  # of a setting that older records lack: at its default no part of a fingerprint
BUILTIN = f"{__package__}.builtin"  # the module that registers the models of the suite


class ModelConfig(BaseModel):
    """Base of every model's settings; unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    """The registered model."""

    def without_later(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Return the plain settings without those marked LATER that have their default."""
        fields = type(self).model_fields.items()
        later = {
            name for name, each in fields if each.json_schema_extra == LATER and getattr(self, name) == each.default
        }
        return {name: value for name, value in plain.items() if name not in later}

    @classmethod
    def from_plain(cls, plain: Any, context: Any = None) -> Self:
        """Return the settings that YAML or JSON says: a list for a tuple or a set, a string for a path or an enum."""
        return cls.model_validate_json(to_json(plain), context=context)

    @field_validator("*")
    @classmethod
    def _locate_paths(cls, value: Any, info: ValidationInfo) -> Any:
        return map_paths(value, lambda path: locate(path, info))

    @field_serializer("*", mode="wrap", when_used="json")
    def _sort_sets(self, value: Any, dump: Callable[[Any], Any]) -> Any:
        """Write a set in one order, or each process would have a fingerprint of its own."""
        plain = dump(value)
        return sorted(plain, key=repr) if isinstance(value, (set, frozenset)) else plain


@dataclass(frozen=True, slots=True)
class ModelContext:
    """Data and encoder, as far as a builder needs to know them."""

    vocab_size: int
    """Ids that the tokenizer can produce."""
    num_classes: int = 2
    encoder_dir: Path | None = None
    """Folder with the encoder's config.json and model.safetensors, already checked by hash."""
    vectors: np.ndarray | None = None
    """(vocab_size, E) where the word vectors begin; a row of NaN begins at random. None: all do."""
    pretrained: bool = True
    """False: read the encoder's shape alone; its weights come with the classifier's whole state."""


Builder = Callable[[Any, ModelContext], "Classifier"]
Preparation = Callable[["Classifier", "Iterable[Batch]"], None]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One registered model; see `register_model`."""

    name: str
    config_class: type[ModelConfig]
    build: Builder
    tokenizer: TokenizerKind
    cache_features: bool = False
    prepare: Preparation | None = None
    baseline: bool = False

    @property
    def plugin(self) -> Path | None:
        """The file that registers the model, None for a model of the suite."""
        return None if self.build.__module__ == BUILTIN else Path(inspect.getfile(self.build))

    @property
    def plugin_sha256(self) -> str | None:
        """Hash of the plugin's file, None for a model of the suite."""
        return None if self.plugin is None else hashlib.sha256(self.plugin.read_bytes()).hexdigest()


class UnknownModelError(ValueError):
    """A model name that is not registered."""


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
    """Register the decorated function as the builder of a model: settings and context in, network out.

    Args:
        name: the model's name in experiments.yaml.
        config: class of its settings.
        tokenizer: `word` (torchtext, vocabulary from train) or `wordpiece` (the encoder's own).
        cache_features: its encoder never changes, so its features may be cached; the network then has
            `extract_features` and reads `Batch.features`.
        prepare: called once before training with the network and the training batches.
        baseline: a reference model: shown in the table, not ranked as a candidate.

    Raises:
        ValueError: the name is taken, or the builder is neither function nor class.
    """

    def decorate(build: Builder) -> Builder:
        try:
            inspect.getfile(build)  # `ModelSpec.plugin` needs it
        except TypeError:
            raise ValueError(f"model {name!r}: its builder must be a function or class, which has a file") from None
        if name in _REGISTRY:
            raise ValueError(
                f"model {name!r} is registered twice: by {_REGISTRY[name].build.__module__} "
                f"and by {build.__module__}. Choose another name."
            )
        _REGISTRY[name] = ModelSpec(name, config, build, tokenizer, cache_features, prepare, baseline)
        return build

    return decorate


def get_model_spec(name: str) -> ModelSpec:
    """Return the registered model of that name.

    Raises:
        UnknownModelError: there is none; the message suggests a similar name.
    """
    names = model_names()
    if name not in names:
        raise UnknownModelError(f"there is no model {name!r}{did_you_mean(name, names)}")
    return _REGISTRY[name]


def model_names() -> list[str]:
    """Return all registered names, in order of registration."""
    importlib.import_module(BUILTIN)
    load_entry_points()
    return list(_REGISTRY)
