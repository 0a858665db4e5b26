"""Features of a frozen encoder: one pass over the reviews, then every epoch and seed reads them from disk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from benchmark.progress import Progress
from data_pipeline.batch import evaluation_order
from data_pipeline.pipeline import Part
from models.classifier import Classifier
from models.precision import Precision, autocast


def feature_writer(
    model: Classifier, part: Part, batch_size: int, *, device: torch.device, precision: Precision, progress: Progress
) -> Callable[[np.ndarray], None]:
    """A function that fills an (N, ...) array with the features of the part's N reviews."""

    def fill(array: np.ndarray) -> None:
        model.eval()
        progress.start("features", len(part))
        with torch.inference_mode(), autocast(precision, device):
            for positions in evaluation_order(part.lengths, batch_size):
                array[positions] = model.extract_features(part.batch(positions).to(device)).cpu().numpy()
                progress.advance(len(positions))
        progress.finish()

    return fill


def feature_shape(model: Classifier, part: Part, device: torch.device) -> tuple[int, ...]:
    """Shape of one review's features."""
    with torch.inference_mode():
        return tuple(model.extract_features(part.batch(np.array([0])).to(device)).shape[1:])
