"""Features of a frozen encoder: one pass over the reviews, then every epoch and seed reads them from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

import numpy as np
import torch

from benchmark.progress import Progress
from data_pipeline.batch import evaluation_order
from data_pipeline.pipeline import Part
from models.classifier import Classifier
from models.precision import Precision, autocast


def feature_writer(
    model: Classifier, part: Part, batch_size: int, *, device: torch.device, precision: Precision, progress: Progress
) -> Callable[[np.ndarray, int], Iterator[int]]:
    """A function that fills an (N, ...) array with the features of the part's N reviews.

    It is given the array and how many reviews are done, and yields how many are after each batch. They are read from
    the shortest to the longest; where the number done is not the end of a batch, all are read again.
    """

    def fill(array: np.ndarray, done: int) -> Iterator[int]:
        model.eval()
        progress.start("features", len(part))
        batches = list(evaluation_order(part.lengths, batch_size))
        ends = list(accumulate(map(len, batches)))
        first = ends.index(done) + 1 if done in ends else 0
        if first:
            progress.advance(done)
        for positions, end in zip(batches[first:], ends[first:], strict=True):
            with torch.inference_mode(), autocast(precision, device):
                array[positions] = model.extract_features(part.batch(positions).to(device)).cpu().numpy()
            progress.advance(len(positions))
            yield end
        progress.finish()

    return fill


def feature_shape(model: Classifier, part: Part, device: torch.device) -> tuple[int, ...]:
    """Shape of one review's features."""
    with torch.inference_mode():
        return tuple(model.extract_features(part.batch(np.array([0])).to(device)).shape[1:])
