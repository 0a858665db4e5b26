"""What a network says of reviews: logits of a whole part, gone on with after an interruption.

B reviews in the batch, C classes, N reviews in the part.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.training.kept_logits import KeptLogits
from benchmark.training.progress import Progress
from data_pipeline.batch import evaluation_order
from data_pipeline.pipeline import Part
from models.classifier import Classifier
from models.precision import Precision, autocast


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network says of a part's N reviews, in the part's order.

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


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Reads reviews with a network, dropout off.

    Attributes:
        model: the network, on `device`.
        batch_size: reviews a forward pass.
        device: where to compute.
        precision: of the matrix products.
        progress: is told how far it is.
    """

    model: Classifier
    batch_size: int
    device: torch.device
    precision: Precision
    progress: Progress

    def predict(self, part: Part, kept: KeptLogits) -> Predictions:
        """Logits of all reviews of the part.

        Args:
            part: N reviews.
            kept: what an interrupted call with the same network has left, and where this one leaves its own.
        """
        self.model.eval()
        order = list(evaluation_order(part.lengths, self.batch_size))
        outputs, before = kept.load()
        started = time.perf_counter()
        for logits in self._outputs(part, order, len(outputs)):
            outputs.append(logits)
            kept.save_if_due(outputs, before + time.perf_counter() - started)
        seconds = before + time.perf_counter() - started
        sorted_logits = torch.cat(outputs)
        logits = torch.empty_like(sorted_logits)
        logits[torch.from_numpy(np.concatenate(order))] = sorted_logits
        labels = torch.from_numpy(part.labels)
        return Predictions(part.labels, logits.numpy(), float(F.cross_entropy(logits, labels)), seconds)

    def _outputs(self, part: Part, order: list[np.ndarray], done: int) -> Iterator[Tensor]:
        """(B, C) float32 logits of each batch but those that are done."""
        self.progress.skip(sum(map(len, order[:done])))
        for positions in islice(order, done, None):
            with torch.inference_mode(), autocast(self.precision, self.device):
                logits = self.model(part.batch(positions).to(self.device)).float().cpu()
            yield logits
            self.progress.advance(len(positions))
