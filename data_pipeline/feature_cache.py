"""A frozen encoder's features of each review, on disk, memory-mapped. Imports no torch and no model.

N reviews of the part.
"""

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
from data_pipeline.files import hash_lines

FEATURES_VERSION = 5  # raise it when a frozen encoder's features change their meaning: old entries are then unused

FEATURES_FILE, MADE_FILE = "features.npy", "made.json"
DTYPE = np.dtype(np.float16)  # half the disk of float32; the encoder's own precision may be lower still


def feature_key(
    encoder_fingerprint: str, tokens: TokensConfig, precision: str, ids: Sequence[str], maker: str = ""
) -> str:
    """Name the entry of these N reviews' features in this order.

    `maker` names code and settings of a model of the user's own, which may compute other features.
    """
    settings = [encoder_fingerprint, str(tokens.max_length), tokens.truncation, precision, *filter(None, [maker])]
    return hash_lines([f"features {FEATURES_VERSION}", *settings, *ids])


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """An encoder's features of N reviews.

    Attributes:
        array: (N, ...) float16, memory-mapped, read-only.
        seconds: wall time of computing them, whenever that was: it belongs to the cost of every run that uses them.
    """

    array: np.ndarray
    seconds: float


Fill = Callable[[np.ndarray, int], Iterator[int]]


def cached_features(
    cache_dir: Path, key: str, shape: tuple[int, ...], fill: Fill, save_seconds: float = 120.0
) -> Features:
    """Return the features under `key`; compute them first where the cache lacks them, resuming an interrupted pass.

    Args:
        cache_dir: root of the cache.
        key: see `feature_key`.
        shape: (N, ...).
        fill: writes the rows of the (N, ...) float16 array from the given one on; yields after each batch how many are
            done.
        save_seconds: what an interruption can cost.

    Raises:
        DataError: the disk has no room for them.
    """

    def build(folder: Path) -> None:
        features, done, before = _open_unfinished(folder, shape)
        started = saved = time.perf_counter()
        for count in fill(features, done):
            now = time.perf_counter()
            if now - saved >= save_seconds:
                _save_progress(folder, features, count, before + now - started)
                saved = now
        _save_progress(folder, features, shape[0], before + time.perf_counter() - started)

    return cached_entry(cache_dir / "features" / key, build, lambda folder: _open(folder, shape), resumable=True)


def _open(folder: Path, shape: tuple[int, ...]) -> Features:
    features: np.ndarray = np.load(folder / FEATURES_FILE, mmap_mode="r").view(np.ndarray)
    if features.dtype != DTYPE or features.shape != shape:
        raise ValueError(f"it holds {features.dtype} {features.shape}, not {DTYPE} {shape}")
    seconds = json.loads((folder / MADE_FILE).read_text(encoding="utf-8"))["seconds"]
    return Features(features, float(seconds))


def _open_unfinished(folder: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, int, float]:
    """Return the array to fill, how many of its rows an interrupted pass has filled, and the seconds they took."""
    file = folder / FEATURES_FILE
    # Writing to a mapped file on a full disk kills the process with a bus error.
    held = 512 * file.stat().st_blocks if file.exists() else 0  # by an interrupted pass, whose other rows are a hole
    needed, free = math.prod(shape) * DTYPE.itemsize - held, shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder.parent}: disk too full for the encoder's features (need {needed / 2**20:.0f} MiB,"
            f" {free / 2**20:.0f} MiB free). Free some or move the cache."
        )
    with suppress(OSError, ValueError, LookupError, TypeError):  # there is no such pass, or it cannot be read
        done = json.loads((folder / MADE_FILE).read_text(encoding="utf-8"))
        features: np.ndarray = np.lib.format.open_memmap(file, mode="r+")
        if features.dtype == DTYPE and features.shape == shape:
            return features, int(done["reviews"]), float(done["seconds"])
    (folder / MADE_FILE).unlink(missing_ok=True)  # it must not describe the new array
    return np.lib.format.open_memmap(file, mode="w+", dtype=DTYPE, shape=shape), 0, 0.0


def _save_progress(folder: Path, features: np.ndarray, reviews: int, seconds: float) -> None:
    assert isinstance(features, np.memmap)
    features.flush()  # the rows must be on disk before MADE_FILE counts them
    partial = folder / f"{MADE_FILE}.partial"
    partial.write_text(json.dumps({"reviews": reviews, "seconds": seconds}), encoding="utf-8")
    partial.replace(folder / MADE_FILE)
