"""The files of an encoder's tokenizer: find, hash and load them."""

import hashlib
from pathlib import Path
from typing import Any

from data_pipeline.errors import DataError
from data_pipeline.files import sha256_of, try_read

# Two folders with the same of these files make the same tokens.
WORDPIECE_FILES = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
FIX = "Put the encoder's own tokenizer.json there."


def has_tokenizer(folder: Path) -> bool:
    """Return whether the folder has the files of a complete tokenizer."""
    present = {name for name in WORDPIECE_FILES if (folder / name).is_file()}
    return bool(present & {"tokenizer.json", "vocab.txt"}) or {"vocab.json", "merges.txt"} <= present


def tokenizer_fingerprint(folder: Path) -> str:
    """Hash the tokenizer's files, whatever version of transformers reads them.

    Raises:
        DataError: the folder has no tokenizer.
    """
    if not has_tokenizer(folder):
        raise DataError(f"{folder}: no tokenizer.json, no vocab.txt, no vocab.json with merges.txt. {FIX}")
    present = [folder / name for name in WORDPIECE_FILES if (folder / name).is_file()]
    return hashlib.sha256("".join(f"{p.name} {try_read(p, sha256_of)}\n" for p in present).encode()).hexdigest()


def load_tokenizer(folder: Path) -> Any:
    """Load the folder's fast tokenizer with transformers.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the Rust tokenizers raise a bare Exception for a broken file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{folder}: the tokenizer cannot be loaded: {reason}. {FIX}") from error
    if not tokenizer.is_fast:
        raise DataError(f"{folder}: the tokenizer is not a fast one. {FIX}")
    return tokenizer
