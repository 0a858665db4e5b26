"""The files that an encoder's tokenizer is made of: whether they are there, their hash, and the tokenizer in them."""

import hashlib
from pathlib import Path
from typing import Any

from data_pipeline.errors import DataError
from data_pipeline.files import read_bytes

# Everything a folder's tokenizer is made of; two folders with the same files cut alike.
WORDPIECE_FILES = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)


def has_tokenizer(folder: Path) -> bool:
    """Whether the folder has files that a whole tokenizer can be read from."""
    present = {name for name in WORDPIECE_FILES if (folder / name).is_file()}
    return bool(present & {"tokenizer.json", "vocab.txt"}) or {"vocab.json", "merges.txt"} <= present


def tokenizer_fingerprint(folder: Path) -> str:
    """Hash of the files that an encoder's tokenizer is made of, whatever version of transformers reads them.

    Raises:
        DataError: the folder has no tokenizer.
    """
    if not has_tokenizer(folder):
        raise DataError(
            f"{folder} has no tokenizer (tokenizer.json or vocab.txt), nor vocab.json with merges.txt; "
            "put the encoder's own there"
        )
    present = [folder / name for name in WORDPIECE_FILES if (folder / name).is_file()]
    digest = hashlib.sha256()
    for path in present:
        digest.update(f"{path.name} {hashlib.sha256(read_bytes(path)).hexdigest()}\n".encode())
    return digest.hexdigest()


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer as transformers reads it, a fast one.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a broken file is an Exception and no more where the Rust tokenizers read it
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"the tokenizer in {folder} cannot be loaded ({reason}); put the encoder's own there"
        ) from error
    if not tokenizer.is_fast:
        raise DataError(f"the tokenizer in {folder} is not a fast one; put the encoder's tokenizer.json there")
    return tokenizer
