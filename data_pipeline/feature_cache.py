"""What a frozen encoder makes of each review, on disk, memory-mapped. Knows neither torch nor any model.

N reviews of the part.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_pipeline.cache import cached_entry
from data_pipeline.config import TokensConfig
from data_pipeline.errors import DataError

FEATURES_VERSION = 5  # raise it when a frozen encoder's features change their meaning: old entries are then unused

FEATURES_FILE, MADE_FILE = "features.npy", "made.json"
DTYPE = np.dtype(np.float16)  # half the disk of float32; the encoder's own precision may be lower still


def feature_key(
    encoder_fingerprint: str, tokens: TokensConfig, precision: str, ids: Sequence[str], maker: str = ""
) -> str:
    """Name of the entry that holds these reviews' features in this order.

    Args:
        encoder_fingerprint: of the encoder's weights, shape and tokenizer.
        tokens: what is kept of a review; the keys of the word tokenizer do nothing here.
        precision: what the encoder computed in.
        ids: the N reviews.
        maker: names code and settings of a model of the user's own, whose features may be others.
    """
    kept = [str(tokens.max_length), tokens.truncation]
    header = [f"features {FEATURES_VERSION}", encoder_fingerprint, *kept, precision, *filter(None, [maker])]
    return hashlib.sha256("\n".join([*header, *ids]).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What an encoder made of N reviews.

    Attributes:
        array: (N, ...) float16, memory-mapped, read-only.
        seconds: wall time that making them took, whenever that was: it belongs to the cost of every run that uses them.
    """

    array: np.ndarray
    seconds: float


Fill = Callable[[np.ndarray, int], Iterator[int]]


def cached_features(
    cache_dir: Path, key: str, shape: tuple[int, ...], fill: Fill, save_seconds: float = 120.0
) -> Features:
    """The features under `key`, made now if they never were; an interrupted making goes on.

    Args:
        cache_dir: root of the cache.
        key: see `feature_key`.
        shape: (N, ...).
        fill: writes the rows of the (N, ...) float16 array it is given but those that an earlier call had done, and
            tells after each batch how many are.
        save_seconds: what an interruption can cost.

    Raises:
        DataError: the disk has no room for them.
    """

    def build(folder: Path) -> None:
        features, done, before = _begun(folder, shape)
        started = saved = time.perf_counter()
        for count in fill(features, done):
            now = time.perf_counter()
            if now - saved >= save_seconds:
                _note(folder, features, count, before + now - started)
                saved = now
        _note(folder, features, shape[0], before + time.perf_counter() - started)

    return cached_entry(cache_dir / "features" / key, build, lambda folder: open_features(folder, shape), goes_on=True)


def _begun(folder: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, int, float]:
    """The array to fill, how many of its rows an interrupted call has done, and the seconds they took."""
    _check_room(folder, shape)
    with suppress(OSError, ValueError, LookupError, TypeError):  # nothing was begun, or it cannot be read: made anew
        done = json.loads((folder / MADE_FILE).read_text(encoding="utf-8"))
        features: np.ndarray = np.lib.format.open_memmap(folder / FEATURES_FILE, mode="r+")
        if features.dtype == DTYPE and features.shape == shape:
            return features, int(done["reviews"]), float(done["seconds"])
    (folder / MADE_FILE).unlink(missing_ok=True)  # it must not speak of the new array
    return np.lib.format.open_memmap(folder / FEATURES_FILE, mode="w+", dtype=DTYPE, shape=shape), 0, 0.0


def _note(folder: Path, features: np.ndarray, reviews: int, seconds: float) -> None:
    """Write down that so many rows are on disk."""
    assert isinstance(features, np.memmap)
    features.flush()  # first the rows, then the word that they are there
    partial = folder / f"{MADE_FILE}.partial"
    partial.write_text(json.dumps({"reviews": reviews, "seconds": seconds}), encoding="utf-8")
    partial.replace(folder / MADE_FILE)


def open_features(folder: Path, shape: tuple[int, ...] | None = None) -> Features:
    """Open and check an entry.

    Args:
        folder: of the entry.
        shape: (N, ...); None: whatever it is.

    Raises:
        ValueError, LookupError, TypeError, OSError, EOFError: it is damaged, or of another shape.
    """
    features: np.ndarray = np.load(folder / FEATURES_FILE, mmap_mode="r").view(np.ndarray)
    if features.dtype != DTYPE or shape not in {None, features.shape}:
        raise ValueError(f"it holds {features.dtype} {features.shape}, not {DTYPE} {shape}")
    seconds = json.loads((folder / MADE_FILE).read_text(encoding="utf-8"))["seconds"]
    return Features(features, float(seconds))


def _check_room(folder: Path, shape: tuple[int, ...]) -> None:
    """Writing to a mapped file on a full disk kills the process with a bus error, so one looks before."""
    file = folder / FEATURES_FILE
    held = 512 * file.stat().st_blocks if file.exists() else 0  # by an interrupted pass, whose other rows are a hole
    needed = math.prod(shape) * DTYPE.itemsize - held
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"the encoder's features need {needed / 2**20:.0f} MiB under {folder.parent} and {free / 2**20:.0f} MiB"
            " are free; free some space or move the cache"
        )
