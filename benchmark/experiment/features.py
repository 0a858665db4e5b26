"""Features of a frozen encoder: one pass over the reviews, then every epoch and seed reads them from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.config.schema import ExperimentConfig
from benchmark.training.progress import Progress
from data_pipeline.batch import evaluation_order
from data_pipeline.encoder import Encoder
from data_pipeline.feature_cache import cached_features, feature_key
from data_pipeline.pipeline import Data, Part
from models.classifier import Classifier
from models.precision import Precision, autocast
from models.registry import get_model_spec


def with_features(
    model: Classifier,
    data: Data,
    encoder: Encoder,
    experiment: ExperimentConfig[Any],
    *,
    cache_dir: Path,
    save_seconds: float,
    device: torch.device,
    precision: Precision,
    progress: Progress,
) -> tuple[dict[str, Part], float]:
    """The parts with what the frozen encoder makes of them.

    Args:
        model: holds the encoder, on `device`.
        data: the tokenised parts.
        encoder: names the features in the cache.
        experiment: its tokens and its `eval_batch_size`.
        cache_dir: root of the cache.
        save_seconds: unfinished work is written down so often.
        device: what computes.
        precision: of the matrix products.
        progress: is told how far it is.

    Returns:
        The parts, and the seconds that the pass took, now or when it was done.
    """
    shape = feature_shape(model, data.parts["val"], device)
    parts, seconds, maker = {}, 0.0, _maker(experiment)
    for name, part in data.parts.items():
        key = feature_key(encoder.fingerprint, experiment.tokens, precision, part.ids, maker)
        fill = feature_writer(
            model,
            part,
            experiment.training.eval_batch_size,
            device=device,
            precision=precision,
            progress=progress,
        )
        features = cached_features(cache_dir, key, (len(part), *shape), fill, save_seconds)
        parts[name] = part.with_features(features.array)
        seconds += features.seconds
    return parts, seconds


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
            progress.skip(done)
        for positions, end in zip(batches[first:], ends[first:], strict=True):
            with torch.inference_mode(), autocast(precision, device):
                array[positions] = model.extract_features(part.batch(positions).to(device)).cpu().numpy()
            progress.advance(len(positions))
            yield end
        progress.finish()

    return fill


def _maker(experiment: ExperimentConfig[Any]) -> str:
    """Whose `extract_features` it is: empty for ours, which give the same for the same encoder and tokens."""
    sha256 = get_model_spec(experiment.model.name).plugin_sha256
    return "" if sha256 is None else f"{sha256} {experiment.model.model_dump_json()}"


def feature_shape(model: Classifier, part: Part, device: torch.device) -> tuple[int, ...]:
    """Shape of one review's features."""
    with torch.inference_mode():
        return tuple(model.extract_features(part.batch(np.array([0])).to(device)).shape[1:])
