"""The logits of an evaluation that has not come to its end, on disk.

B reviews in the batch, C classes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from benchmark.training.interval import Interval

logger = logging.getLogger(__name__)

SECONDS = "seconds"  # name of the tensor beside the batches'
HASH_BYTES = hashlib.sha256().digest_size


class KeptLogits:
    """One evaluation's file: the sha256 of what follows, then safetensors; written whole or not at all.

    Args:
        path: of the file; None keeps nothing.
        interval: how often it is written.
    """

    def __init__(self, path: Path | None, interval: Interval) -> None:
        self._path = path
        self._clock = interval.clock()

    def load(self) -> tuple[list[Tensor], float]:
        """The (B, C) float32 logits of the first batches, and the seconds they took; none where the file is damaged."""
        if self._path is None or not self._path.exists():
            return [], 0.0
        content = self._path.read_bytes()
        if hashlib.sha256(content[HASH_BYTES:]).digest() != content[:HASH_BYTES]:
            logger.warning("%s is damaged; these reviews are read again", self._path)
            return [], 0.0
        tensors = load(content[HASH_BYTES:])
        seconds = float(tensors.pop(SECONDS))
        return [tensors[name] for name in sorted(tensors)], seconds

    def save_if_due(self, outputs: Sequence[Tensor], seconds: float) -> None:
        """Count a batch, and write all of them where it is time."""
        if self._path is None or not self._clock.step():
            return
        named = {f"{number:08d}": logits for number, logits in enumerate(outputs)}
        content = save({**named, SECONDS: torch.tensor(seconds, dtype=torch.float64)})
        partial = self._path.with_name(f"{self._path.name}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        partial.replace(self._path)
