"""Cache a frozen encoder's features: one pass over the reviews, then every epoch and seed reads them from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

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
    experiment: ExperimentConfig,
    *,
    cache_dir: Path,
    save_seconds: float,
    device: torch.device,
    precision: Precision,
    progress: Progress,
) -> tuple[dict[str, Part], float]:
    """Replace each part's tokens by the frozen encoder's features, from the cache if they are there.

    Unfinished features are saved every `save_seconds`.

    Returns:
        The parts, and the seconds of the passes that made the features, now or earlier.
    """
    plugin_sha256 = get_model_spec(experiment.model.name).plugin_sha256
    # A plugin's features depend on its code and settings; ours depend on encoder and tokens alone.
    maker = "" if plugin_sha256 is None else f"{plugin_sha256} {experiment.model.model_dump_json()}"
    shape = feature_shape(model, data.parts["val"], device)
    parts, seconds, batch_size = {}, 0.0, experiment.training.eval_batch_size
    for name, part in data.parts.items():
        key = feature_key(encoder.fingerprint, experiment.tokens, precision, part.ids, maker)
        fill = feature_writer(model, part, batch_size, device=device, precision=precision, progress=progress)
        features = cached_features(cache_dir, key, (len(part), *shape), fill, save_seconds)
        parts[name] = part.with_features(features.array)
        seconds += features.seconds
    return parts, seconds


def feature_writer(
    model: Classifier, part: Part, batch_size: int, *, device: torch.device, precision: Precision, progress: Progress
) -> Callable[[np.ndarray, int], Iterator[int]]:
    """Make a function that fills an (N, ...) array with the features of the part's N reviews.

    The function gets the array and the number of reviews that are done, and yields that number after each batch. The
    shortest reviews come first. If the number given is not the end of a batch, the function starts over.
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


def feature_shape(model: Classifier, part: Part, device: torch.device) -> tuple[int, ...]:
    """Return the shape of one review's features."""
    with torch.inference_mode():
        return tuple(model.extract_features(part.batch(np.array([0])).to(device)).shape[1:])
