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
SPECIAL = ("cls", "sep", "pad", "unk")
BYTES = 256
FEWEST = 0.9  # of the ids or merges that a whole file has, roughly


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
        DataError: there is none, it cannot be read, or it lacks the special tokens of a BERT.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the Rust tokenizers raise a bare Exception for a broken file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{folder}: the tokenizer cannot be loaded: {reason}. {FIX}") from error
    if not tokenizer.is_fast:
        raise DataError(f"{folder}: the tokenizer is not a fast one. {FIX}")
    if None in special_ids(tokenizer):
        raise DataError(
            f"{folder}: the tokenizer is not a BERT's: it lacks [CLS], [SEP], [PAD] or [UNK] (of a RoBERTa <s>,"
            f" </s>, <pad> or <unk>). {FIX}"
        )
    return tokenizer


def special_ids(tokenizer: Any) -> list[int]:
    """Return the ids of the tokens before and after a review, of padding and of an unknown word."""
    return [getattr(tokenizer, f"{name}_token_id") for name in SPECIAL]


def check_tokenizer(folder: Path, vocab_size: int, pad_id: int | None) -> None:
    """Load the tokenizer, and compare it with the encoder's config.json.

    Args:
        folder: the encoder's.
        vocab_size: word vectors that the encoder has.
        pad_id: id of padding from which the encoder counts positions, None where it does not.

    Raises:
        DataError: the tokenizer is damaged, or made for another encoder.
    """
    tokenizer = load_tokenizer(folder)
    if not (folder / "tokenizer.json").is_file():
        _check_vocabulary(folder, tokenizer, vocab_size)
    ids, padding = len(tokenizer), tokenizer.pad_token_id
    if ids > vocab_size:
        raise DataError(
            f"{folder}: the tokenizer is another encoder's (got {ids:,} ids, expected at most {vocab_size:,}). {FIX}"
        )
    if pad_id is not None and padding != pad_id:
        raise DataError(
            f"{folder}: padding has another id in the tokenizer than in config.json (got {padding}, expected {pad_id})."
            " One of the two is another encoder's. Put the encoder's own files there."
        )


def _check_vocabulary(folder: Path, tokenizer: Any, vocab_size: int) -> None:
    """Refuse a bare vocabulary that is cut, or that transformers completes by guessing."""
    rust = tokenizer.backend_tokenizer
    words = rust.get_vocab(with_added_tokens=False)
    if max(special_ids(tokenizer)) >= len(words) and not (folder / "added_tokens.json").is_file():
        raise DataError(f"{folder}: the vocabulary lacks special tokens, such as [CLS] or <s>. {FIX}")
    vocabulary, merges = folder / "vocab.txt", folder / "merges.txt"
    if vocabulary.is_file():
        # Some encoders have far more word vectors than words, but a file that is cut rarely ends with a line.
        fewest = 0.5 if try_read(vocabulary, Path.read_bytes).endswith(b"\n") else FEWEST
        if (ids := len(tokenizer)) < fewest * vocab_size:
            raise DataError(
                f"{vocabulary}: is cut or another encoder's (got {ids:,} ids, expected {vocab_size:,}). {FIX}"
            )
    made = len(words) - BYTES - len(special_ids(tokenizer))  # the other words of byte pairs are two words merged
    if merges.is_file() and try_read(merges, Path.read_bytes).count(b"\n") < FEWEST * made:
        raise DataError(f"{merges}: has too few merges for vocab.json, as a file that is cut. {FIX}")
    cased = next((word for word in words if word.isascii() and word.lower() != word and word[0] != "["), None)
    lowers = cased is not None and rust.normalizer is not None and rust.normalizer.normalize_str("A") == "a"
    if lowers and not _says_case(folder / "tokenizer_config.json"):
        raise DataError(
            f"{vocabulary}: has capitals, as in {cased!r:.30}, but no tokenizer_config.json beside it keeps"
            ' them. Write {"do_lower_case": false} there (or true, if the encoder was trained so).'
        )


def _says_case(path: Path) -> bool:
    return path.is_file() and b'"do_lower_case"' in try_read(path, Path.read_bytes)
