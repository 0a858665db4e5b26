"""Logits of all reviews of a part, resumed after an interruption.

B reviews in the batch, C classes, N reviews in the part.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from benchmark.training.checkpoint import SavedLogits
from benchmark.training.progress import Progress
from data_pipeline.batch import evaluation_order
from data_pipeline.pipeline import Part
from models.classifier import Classifier
from models.precision import Precision, autocast


@dataclass(frozen=True, slots=True)
class Predictions:
    """Output of a network for a part's N reviews, in the part's order.

    Attributes:
        labels: (N,) int64, the truth.
        logits: (N, C) float32.
        loss: mean cross-entropy in nats.
        seconds: wall time of the N forward passes.
    """

    labels: np.ndarray
    logits: np.ndarray
    loss: float
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of reviews whose largest logit is the true label's, 0 to 1."""
        return float((self.logits.argmax(axis=1) == self.labels).mean())


def predict(
    model: Classifier,
    part: Part,
    saved: SavedLogits | None,
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision,
    progress: Progress,
) -> Predictions:
    """Return the logits of all reviews of the part, dropout off.

    Args:
        model: the network, on `device`.
        part: N reviews.
        saved: what an interrupted call with the same network has saved, and where this one saves; None: nowhere.
        batch_size: reviews per forward pass.
        device: where to compute.
        precision: of the matrix products.
        progress: counts the reviews.
    """
    model.eval()
    order = list(evaluation_order(part.lengths, batch_size))
    outputs, before = saved.load() if saved is not None else ([], 0.0)
    started = time.perf_counter()
    progress.skip(sum(map(len, order[: len(outputs)])))
    for positions in order[len(outputs) :]:
        with torch.inference_mode(), autocast(precision, device):
            outputs.append(model(part.batch(positions).to(device)).float().cpu())
        if saved is not None:
            saved.save_if_due(outputs, before + time.perf_counter() - started)
        progress.advance(len(positions))
    seconds = before + time.perf_counter() - started
    sorted_logits = torch.cat(outputs)
    logits = torch.empty_like(sorted_logits)
    logits[torch.from_numpy(np.concatenate(order))] = sorted_logits
    loss = float(F.cross_entropy(logits, torch.from_numpy(part.labels)))
    return Predictions(part.labels, logits.numpy(), loss, seconds)
