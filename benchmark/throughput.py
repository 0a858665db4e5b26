"""How fast a run's model is on this machine: the same pipeline, network and trainer on a few real reviews."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmark.config import RunConfig
from benchmark.features import feature_shape, feature_writer
from benchmark.plan import resolve_run_encoder
from benchmark.progress import NullProgress
from benchmark.reproducibility import seed_everything
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.precision import DeviceSetting, resolve_device, resolve_precision
from benchmark.training.trainer import Trainer, count_parameters
from data_pipeline.config import DataConfig
from data_pipeline.encoder import EncoderNotHereError, resolve_encoder
from data_pipeline.feature_cache import DTYPE
from data_pipeline.pipeline import Part, build_data
from data_pipeline.sources import load_corpus
from models.classifier import Classifier
from models.precision import Precision
from models.registry import ModelContext, get_model_spec

SECONDS = 4.0  # that a figure is measured over, one batch at least
MOST_REVIEWS = 2048  # that are read for it
SPECIAL_WORDS = 2  # padding and the unknown word
WARM_UP = 8  # reviews of the first forward passes, which cost what later ones do not


@dataclass(frozen=True, slots=True)
class Throughput:
    """What a model does in a second, dropout and optimizer included in training.

    Attributes:
        train_reviews_per_second: of an epoch; where the encoder is frozen, on features that are made already.
        inference_reviews_per_second: of validation and test, likewise.
        features_reviews_per_second: of the frozen encoder's one pass, None without one.
        parameters_total: of the network.
        parameters_trainable: those that learn.
        tokens_per_review: of whole reviews, before truncation.
        feature_bytes: on disk, of one review's features.
        assumed_encoder: the encoder is not here, and a network of BERT base's shape stood in for it.
    """

    train_reviews_per_second: float
    inference_reviews_per_second: float
    features_reviews_per_second: float | None
    parameters_total: int
    parameters_trainable: int
    tokens_per_review: float
    feature_bytes: int
    assumed_encoder: bool


def measure(run: RunConfig, device_setting: DeviceSetting) -> Throughput:
    """Train and evaluate the run's model for a few seconds on embedded reviews.

    Raises:
        DataError: the embedded reviews or the encoder cannot be read.
        PrecisionError: the run asks for what this machine does not have.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _measure(run, resolve_device(device_setting), Path(folder))


def _measure(run: RunConfig, device: torch.device, folder: Path) -> Throughput:
    experiment, spec = run.experiment, get_model_spec(run.experiment.model.name)
    encoder_dir, tokenizer_dir, assumed = _encoder_folders(run, folder)
    corpus = load_corpus(DataConfig(train_size=MOST_REVIEWS, val_size=MOST_REVIEWS, test_size=2))
    data = build_data(corpus, experiment.tokens, spec.tokenizer, tokenizer_dir, folder, parts=("train", "val"))
    # A vocabulary of so few reviews is small, and the optimizer pays for every row of the full one.
    ids = experiment.tokens.vocab_size + SPECIAL_WORDS if spec.tokenizer == "word" else data.tokenizer.vocab_size
    seed_everything(run.seed)
    model = spec.build(experiment.model, ModelContext(ids, encoder_dir=encoder_dir, pretrained=not assumed)).to(device)
    stand = _Stand(run, model, device, resolve_precision(experiment.training.precision, device), folder)
    train, val = data.parts["train"], data.parts["val"]
    features_rate, feature_bytes = None, 0
    if spec.cache_features:
        features_rate, features = stand.features(val)
        feature_bytes = features[0].nbytes
        train, val = (part.first(len(features)).with_features(features) for part in (train, val))
    train_rate, inference_rate = stand.training(train, val)
    total, trainable = count_parameters(model)
    return Throughput(
        train_reviews_per_second=train_rate,
        inference_reviews_per_second=inference_rate,
        features_reviews_per_second=features_rate,
        parameters_total=total,
        parameters_trainable=trainable,
        tokens_per_review=float(data.parts["val"].token_counts.mean()),
        feature_bytes=feature_bytes,
        assumed_encoder=assumed,
    )


@dataclass(frozen=True, slots=True)
class _Stand:
    """What is measured, and on what."""

    run: RunConfig
    model: Classifier
    device: torch.device
    precision: Precision
    folder: Path

    def training(self, train: Part, val: Part) -> tuple[float, float]:
        """Reviews a second of an epoch, and of the validation after it."""
        settings = self.run.experiment.training
        reviews, val_reviews = settings.batch_size, WARM_UP
        while True:
            trainer = Trainer(
                self.model,
                settings.model_copy(update={"epochs": 1}),
                seed=self.run.seed,
                device=self.device,
                precision=self.precision,
            )
            parts = train.first(reviews), val.first(val_reviews)
            epoch = trainer.fit(*parts, CheckpointFolder(self.folder / f"{reviews}-{val_reviews}", "", {})).epochs[0]
            rate, val_rate = len(parts[0]) / epoch.train_seconds, len(parts[1]) / epoch.val_seconds
            if epoch.train_seconds >= SECONDS / 2 or len(parts[0]) == len(train):
                return rate, val_rate
            reviews = _enough(rate, settings.batch_size)
            val_reviews = _enough(val_rate, WARM_UP)

    def features(self, part: Part) -> tuple[float, np.ndarray]:
        """Reviews a second of the frozen encoder, and the features of those that were read."""
        batch_size = self.run.experiment.training.eval_batch_size
        shape = feature_shape(self.model, part, self.device)
        reviews = WARM_UP
        while True:
            read = part.first(reviews)
            array = np.empty((len(read), *shape), DTYPE)
            fill = feature_writer(
                self.model,
                read,
                batch_size,
                device=self.device,
                precision=self.precision,
                progress=NullProgress(),
            )
            started = time.perf_counter()
            fill(array)
            seconds = time.perf_counter() - started
            if seconds >= SECONDS / 2 or len(read) == len(part):
                return len(read) / seconds, array
            reviews = _enough(len(read) / seconds, WARM_UP)


def _enough(rate: float, batch_size: int) -> int:
    """Reviews that take SECONDS at this rate, in whole batches."""
    return batch_size * max(1, round(rate * SECONDS / batch_size))


def _encoder_folders(run: RunConfig, folder: Path) -> tuple[Path | None, Path | None, bool]:
    """Folder of the run's encoder, of a tokenizer for it, and whether they only stand in for one that is not here."""
    try:
        encoder = resolve_run_encoder(run, download=False)
    except EncoderNotHereError:
        from transformers import BertConfig

        BertConfig().save_pretrained(folder)  # whose defaults are the shape of bert-base-uncased
        return folder, resolve_encoder().folder, True
    found = encoder.folder if encoder else None
    return found, found, False
