"""A trained network on disk: its whole state and the settings that build it. No pickle."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.plugins import PluginError, last_user_frame, load_plugin
from models.precision import Precision
from models.registry import ModelContext, ModelSpec, TokenizerKind, get_model_spec, model_names

if TYPE_CHECKING:
    from models.classifier import Classifier

FORMAT_VERSION = 1  # raise it when model.json or the state's names change their meaning
MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "README.md"  # the model card
PLUGIN_FILE = "plugin.py"  # the file that registers the model, if it is not one of the suite's
ENCODER_DIR = "encoder"  # the encoder's config.json and tokenizer
ENCODER_FILE = f"{ENCODER_DIR}/config.json"


class SavedModelError(ValueError):
    """A saved network that is damaged, changed, or of another version."""


class SavedModel(BaseModel):
    """The content of model.json."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format_version: int = FORMAT_VERSION
    experiment: str
    model: dict[str, Any]
    """Settings of the registered model, without its encoder's, whose shape and weights are saved."""
    tokens: dict[str, Any]
    """Settings of the tokens it was trained on."""
    tokenizer: TokenizerKind
    tokenizer_fingerprint: str
    """Hash of everything that decides which ids a text gets."""
    vocab_size: int
    labels: tuple[str, ...] = ("negative", "positive")
    """Name of each class, in the order of the logits."""
    eval_batch_size: int = Field(ge=1)
    precision: Precision
    weights_sha256: str = ""
    """Hash of weights.safetensors; set by `save_classifier`."""
    encoder_sha256: str | None = None
    """Hash of the encoder's config.json, None without an encoder; set by `save_classifier`."""


def save_classifier(folder: Path, saved: SavedModel, model: Classifier) -> None:
    """Write weights.safetensors and, last, model.json; the encoder's config.json must be in the folder."""
    from safetensors.torch import save_file

    from models.classifier import unshare_memory

    path = folder / WEIGHTS_FILE
    save_file(unshare_memory(model.state_dict()), path)
    shape = folder / ENCODER_FILE
    hashes = {"weights_sha256": _sha256(path), "encoder_sha256": _sha256(shape) if shape.is_file() else None}
    complete = saved.model_copy(update=hashes)
    (folder / MODEL_FILE).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_saved_model(folder: Path) -> SavedModel:
    """Read model.json.

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
        key = ".".join(map(str, first["loc"])) or "the file"
        raise SavedModelError(f"{path} is no model of this version: {key}: {first['msg']}") from None
    if saved.format_version != FORMAT_VERSION:
        raise SavedModelError(f"{path}: wrong format version (got {saved.format_version}, expected {FORMAT_VERSION})")
    return saved


def load_classifier(folder: Path, saved: SavedModel) -> Classifier:
    """Build the network that `save_classifier` wrote, with its weights, in eval mode, on the CPU.

    Raises:
        SavedModelError: weights or encoder's config are missing, were changed, or do not fit the settings; or no such
            model, or another version of it, is registered.
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
        model = spec.build(spec.config_class.from_plain(saved.model), context)
        model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300] + last_user_frame(error)
        raise SavedModelError(f"{folder / MODEL_FILE} and its weights do not fit: {reason}") from None
    return model.eval()


def _refuse_changed(path: Path, wanted: str) -> None:
    if not path.is_file():
        raise SavedModelError(f"{path} is missing")
    found = _sha256(path)
    if found != wanted:
        raise SavedModelError(
            f"{path} was changed since it was saved (got sha256 {found}, expected {wanted}). Fetch the model again."
        )


def _refuse_other(spec: ModelSpec, saved: Path) -> None:
    there = spec.plugin is not None and spec.plugin.is_file() and saved.is_file()
    if there and spec.plugin_sha256 != _sha256(saved):  # old weights in a plugin's new code give wrong logits
        raise SavedModelError(
            f"the model was trained with another version of {spec.plugin}. Restore its {PLUGIN_FILE} or train again."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
