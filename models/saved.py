"""A trained network on disk: its whole state and what it takes to build it again. No pickle."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.plugins import PluginError, load_plugin
from models.precision import Precision
from models.registry import ModelContext, ModelSpec, TokenizerKind, get_model_spec, model_names

if TYPE_CHECKING:
    from models.classifier import Classifier

FORMAT_VERSION = 1  # raise it when model.json or the state's names change their meaning
MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "README.md"  # what the network is, for people
PLUGIN_FILE = "plugin.py"  # the file that registers the model, where it is none of ours
ENCODER_DIR = "encoder"  # holds the encoder's config.json, and its tokenizer
ENCODER_FILE = f"{ENCODER_DIR}/config.json"


class SavedModelError(ValueError):
    """A saved network that is damaged, was changed, or is of another version."""


class SavedModel(BaseModel):
    """What model.json says."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format_version: int = FORMAT_VERSION
    """Which version of these names."""
    experiment: str
    """What the network is called."""
    model: dict[str, Any]
    """Settings of the registered model; without those of its encoder, whose shape and weights are saved."""
    tokens: dict[str, Any]
    """Settings that made token ids of the reviews it was trained on."""
    tokenizer: TokenizerKind
    """Kind of the tokenizer."""
    tokenizer_fingerprint: str
    """Hash of everything that decides which ids a text gets."""
    vocab_size: int
    """Ids that the tokenizer can produce."""
    labels: tuple[str, ...] = ("negative", "positive")
    """Name of each class, in the order of the logits."""
    eval_batch_size: int = Field(ge=1)
    """Reviews a batch."""
    precision: Precision
    """Of the matrix products."""
    weights_sha256: str = ""
    """Hash of weights.safetensors; filled in by `save_classifier`."""
    encoder_sha256: str | None = None
    """Hash of the encoder's config.json, None where there is no encoder; filled in as well."""


def save_classifier(folder: Path, saved: SavedModel, model: Classifier) -> None:
    """Write weights.safetensors and, last, model.json; the encoder's config.json is there before."""
    from safetensors.torch import save_file

    from models.classifier import unshare_memory

    path = folder / WEIGHTS_FILE
    save_file(unshare_memory(model.state_dict()), path)
    shape = folder / ENCODER_FILE
    hashes = {"weights_sha256": _sha256(path), "encoder_sha256": _sha256(shape) if shape.is_file() else None}
    complete = saved.model_copy(update=hashes)
    (folder / MODEL_FILE).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_saved_model(folder: Path) -> SavedModel:
    """What model.json says.

    Raises:
        SavedModelError: it is missing, or not of this version.
    """
    path = folder / MODEL_FILE
    try:
        saved = SavedModel.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SavedModelError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise SavedModelError(f"{path} describes no model of this version: {place}: {first['msg']}") from None
    if saved.format_version != FORMAT_VERSION:
        raise SavedModelError(f"{path} has format version {saved.format_version}; this code reads {FORMAT_VERSION}")
    return saved


def load_classifier(folder: Path, saved: SavedModel) -> Classifier:
    """The network with its weights, in eval mode, on the CPU.

    Args:
        folder: what `save_classifier` wrote, and for a BERT the folder `encoder` with the encoder's config.json.
        saved: what its model.json says.

    Raises:
        SavedModelError: weights or encoder's config are missing, are not those that were saved, or do not fit the
            settings; or nobody registers such a model, or another version of it.
    """
    from safetensors.torch import load_file

    _refuse_changed(folder / WEIGHTS_FILE, saved.weights_sha256)
    if saved.encoder_sha256 is not None:
        _refuse_changed(folder / ENCODER_FILE, saved.encoder_sha256)
    name, plugin = str(saved.model.get("name")), folder / PLUGIN_FILE
    try:
        if name in model_names():
            _refuse_other(get_model_spec(name), plugin)
        elif plugin.is_file():
            load_plugin(plugin)
    except PluginError as error:
        raise SavedModelError(str(error)) from None
    try:
        spec = get_model_spec(name)
        encoder_dir = folder / ENCODER_DIR if spec.tokenizer == "wordpiece" else None
        context = ModelContext(saved.vocab_size, len(saved.labels), encoder_dir, pretrained=False)
        model = spec.build(spec.config_class.model_validate(saved.model), context)
        model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (ValueError, RuntimeError) as error:  # no such model, wrong settings, a state of other names or shapes
        reason = " ".join(str(error).split())[:300]
        raise SavedModelError(f"{folder / MODEL_FILE} and its weights do not fit: {reason}") from None
    return model.eval()


def _refuse_changed(path: Path, wanted: str) -> None:
    if not path.is_file():
        raise SavedModelError(f"{path} is missing")
    found = _sha256(path)
    if found != wanted:
        raise SavedModelError(
            f"{path} is not what was saved: sha256 wanted {wanted}, found {found}; fetch the model again"
        )


def _refuse_other(spec: ModelSpec, saved: Path) -> None:
    """Old weights in a plugin's new code give figures of nothing."""
    there = spec.plugin is not None and spec.plugin.is_file() and saved.is_file()
    if there and spec.plugin_sha256 != _sha256(saved):
        raise SavedModelError(
            f"the model was trained with another version of {spec.plugin}; put its own {PLUGIN_FILE} there, or "
            "do it again"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
