"""The Batch that every model is fed, and the order in which batches come.

B reviews in the batch, T tokens of the longest one, N reviews in the split.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

MEGA_BATCH = 50  # batches sorted by length together: 2 % padding on IMDB, while the reviews of a batch stay random


@dataclass(frozen=True, slots=True)
class Batch:
    """B reviews as tensors.

    Attributes:
        ids: the reviews' stable ids, B of them.
        labels: (B,) int64, 0 negative, 1 positive.
        input_ids: (B, T) int64, padded on the right.
        lengths: (B,) int64, real tokens of each review.
        features: (B, ...) a frozen encoder's features of the reviews, or None; where given, T is 0.
    """

    ids: tuple[str, ...]
    labels: Tensor
    input_ids: Tensor
    lengths: Tensor
    features: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def attention_mask(self) -> Tensor:
        """(B, T) bool, True at real tokens."""
        positions = torch.arange(self.input_ids.shape[1], device=self.input_ids.device)
        return positions < self.lengths[:, None]

    def to(self, device: torch.device) -> "Batch":
        """Return the same batch on another device."""
        return replace(
            self,
            labels=self.labels.to(device),
            input_ids=self.input_ids.to(device),
            lengths=self.lengths.to(device),
            features=None if self.features is None else self.features.to(device),
        )


def pad_token_ids(rows: Sequence[np.ndarray], pad_id: int) -> Tensor:
    """Pad B rows of token ids on the right to the longest: (B, T) int64."""
    padded = np.full((len(rows), max(len(row) for row in rows)), pad_id, dtype=np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(padded)


def training_order(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int, *, length_grouping: bool
) -> Iterator[np.ndarray]:
    """Yield the positions of the N reviews, batch by batch; a function of its arguments alone.

    Args:
        lengths: (N,) tokens of each review after truncation.
        batch_size: reviews per batch; the last batch may be smaller.
        seed: the run's seed.
        epoch: counted from 1.
        length_grouping: sort by length within MEGA_BATCH batches, then shuffle the batches.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    if not length_grouping:
        yield from np.split(order, range(batch_size, len(order), batch_size))
        return
    batches: list[np.ndarray] = []
    span = batch_size * MEGA_BATCH
    for start in range(0, len(order), span):
        mega = order[start : start + span]
        mega = mega[np.argsort(lengths[mega], kind="stable")]
        batches += np.split(mega, range(batch_size, len(mega), batch_size))
    for position in generator.permutation(len(batches)):
        yield batches[position]


def evaluation_order(lengths: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Yield the positions of all reviews from the shortest to the longest, which pads least."""
    order = np.argsort(lengths, kind="stable")
    yield from np.split(order, range(batch_size, len(order), batch_size))
