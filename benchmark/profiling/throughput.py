"""Measure a run's speed on this machine with the same pipeline, network and trainer, on embedded reviews.

B reviews in the batch, T tokens.

As a process of its own it reads a run's settings as JSON and prints its speed as JSON: its peak memory is the model's.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from benchmark.config.schema import RunConfig, run_from_settings
from benchmark.experiment.features import feature_shape, feature_writer
from benchmark.plan.encoder import resolve_run_encoder
from benchmark.tracking.speed import Throughput
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.device import DeviceSetting, resolve_device, resolve_precision
from benchmark.training.environment import peak_memory_mib
from benchmark.training.load import Load
from benchmark.training.progress import Progress
from benchmark.training.reproducibility import seed_everything
from benchmark.training.trainer import Trainer, count_parameters
from data_pipeline.config import DataConfig
from data_pipeline.encoder import EncoderNotHereError, resolve_encoder
from data_pipeline.feature_cache import DTYPE
from data_pipeline.load import load_corpus
from data_pipeline.pipeline import Part, build_data, part_of_texts
from data_pipeline.tokenization import Tokenizer
from models.classifier import Classifier
from models.precision import Precision, autocast
from models.registry import ModelContext, get_model_spec

SECONDS = 4.0  # per figure, one batch at least
MOST_REVIEWS = 2048  # read per figure
WARM_UP = 8  # reviews of the first, slower forward passes
SINGLES = 40  # reviews labelled one by one
COUNTED = 8  # reviews whose matrix products are counted
PEAK_SECONDS = 1.0  # of matrix products for the peak
PRODUCT_WIDTH, PRODUCT_SECONDS = 512, 0.3  # of the product that is timed before and after
SPECIAL_WORDS = 2  # padding and the unknown word
BACKWARD = 3  # a training step's products are three times the forward pass's: gradients of inputs and of weights


def measure(run: RunConfig, device_setting: DeviceSetting) -> Throughput:
    """Train and evaluate the run's model for a few seconds on embedded reviews.

    Raises:
        DataError: the embedded reviews or the encoder cannot be read.
        DeviceError: the run asks for what this machine does not have.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _measure(run, resolve_device(device_setting), Path(folder))


def _measure(run: RunConfig, device: torch.device, folder: Path) -> Throughput:
    load, before = Load(), _product_seconds()
    experiment, spec = run.experiment, get_model_spec(run.experiment.model.name)
    encoder_dir, tokenizer_dir, assumed = _encoder_folders(run, folder)
    corpus = load_corpus(DataConfig(train_size=MOST_REVIEWS, val_size=MOST_REVIEWS, test_size=2))
    data = build_data(corpus, experiment.tokens, spec.tokenizer, tokenizer_dir, folder, parts=("train", "val"))
    train, val = data.parts["train"], data.parts["val"]
    # So few reviews have a small vocabulary, and the optimizer pays for every row of the full one.
    ids = experiment.tokens.vocab_size + SPECIAL_WORDS if spec.tokenizer == "word" else data.tokenizer.vocab_size
    seed_everything(run.seed)
    model = spec.build(experiment.model, ModelContext(ids, encoder_dir=encoder_dir, pretrained=not assumed)).to(device)
    if spec.prepare is not None and not spec.cache_features:  # a head costs the same whatever scale it has learned
        spec.prepare(model, train.evaluation_batches(experiment.training.eval_batch_size))
    bench = _Bench(run, model, device, resolve_precision(experiment.training.precision, device), folder)
    tokens, tokens_per_review = float(val.lengths.mean()), float(val.token_counts.mean())
    inference_rate = bench.inference(val)
    p50, p95 = bench.latency([review.text for review in corpus.val[:SINGLES]], data.tokenizer)
    features_rate, feature_bytes = None, 0
    if spec.cache_features:
        features_rate, features = bench.features(val)
        feature_bytes = features[0].nbytes
        train, val = (part.first(len(features)).with_features(features) for part in (train, val))
    train_rate, validation_rate = bench.training(train, val)
    useful, peak = train_rate * BACKWARD * bench.forward_flops(train) / 1e9, bench.matmul_gflops()
    total, trainable = count_parameters(model)
    quick, slow = sorted([before, _product_seconds()])
    return Throughput(
        train_reviews_per_second=train_rate,
        train_tokens_per_second=train_rate * tokens,
        validation_reviews_per_second=validation_rate,
        inference_reviews_per_second=inference_rate,
        inference_tokens_per_second=inference_rate * tokens,
        features_reviews_per_second=features_rate,
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        train_gflops=useful if peak else None,
        matmul_gflops=peak,
        share_of_peak=useful / peak if peak else None,
        peak_memory_mib=peak_memory_mib(),
        parameters_total=total,
        parameters_trainable=trainable,
        tokens_per_review=tokens_per_review,
        feature_bytes=feature_bytes,
        assumed_encoder=assumed,
        taken=max(1 - quick / slow, load.taken(torch.get_num_threads())),
    )


@dataclass(frozen=True, slots=True)
class _Bench:
    """A model and the conditions under which it is measured."""

    run: RunConfig
    model: Classifier
    device: torch.device
    precision: Precision
    folder: Path

    def training(self, train: Part, val: Part) -> tuple[float, float]:
        """Return reviews/s of an epoch, and of the validation after it."""
        batch_size = self.run.experiment.training.batch_size
        reviews, val_reviews = batch_size, WARM_UP
        while True:
            parts = train.first(reviews), val.first(val_reviews)
            checkpoints = CheckpointFolder(self.folder / f"{reviews}-{val_reviews}", "", {})
            epoch = self._trainer().fit(*parts, checkpoints).epochs[0]
            rate, val_rate = len(parts[0]) / epoch.train_seconds, len(parts[1]) / epoch.val_seconds
            if epoch.train_seconds >= SECONDS / 2 or len(parts[0]) == len(train):
                return rate, val_rate
            reviews, val_reviews = _enough(rate, batch_size), _enough(val_rate, WARM_UP)

    def inference(self, part: Part) -> float:
        """Return reviews/s from token ids to logits."""
        return _rate(lambda reviews: self._trainer().predict(part.first(reviews)).seconds, len(part))

    def features(self, part: Part) -> tuple[float, np.ndarray]:
        """Return reviews/s of the frozen encoder, and the features of the reviews it read last."""
        made = np.empty((len(part), *feature_shape(self.model, part, self.device)), DTYPE)
        batch_size, done = self.run.experiment.training.eval_batch_size, 0

        def extract(reviews: int) -> float:
            nonlocal done
            how: Any = {"device": self.device, "precision": self.precision, "progress": Progress()}
            fill = feature_writer(self.model, part.first(reviews), batch_size, **how)
            started = time.perf_counter()
            done = max(fill(made[:reviews], 0))
            return time.perf_counter() - started

        return _rate(extract, len(part)), made[:done]

    def latency(self, texts: list[str], tokenizer: Tokenizer) -> tuple[float, float]:
        """Return median and 95th percentile of the milliseconds from one raw text to its logits."""
        trainer, times = self._trainer(), []
        for text in [texts[0], *texts]:  # the first is a warm-up
            started = time.perf_counter()
            trainer.predict(part_of_texts([text], tokenizer, self.run.experiment.tokens))
            times.append(1000 * (time.perf_counter() - started))
        p50, p95 = np.percentile(times[1:], [50, 95])
        return float(p50), float(p95)

    def forward_flops(self, part: Part) -> float:
        """Return the mean operations of one review's matrix products in a forward pass without padding."""
        self.model.eval()
        counter = FlopCounterMode(display=False)
        reviews = min(COUNTED, len(part))
        # torch's own kernels: the counter does not see into oneDNN's LSTM or the fused attention.
        with counter, torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
            for position in range(reviews):
                self.model(part.batch(np.array([position])).to(self.device))
        return counter.get_total_flops() / reviews

    def matmul_gflops(self) -> float | None:
        """Return GFLOP/s of products of the network's own matrices with a batch's tokens; None without a matrix."""
        experiment = self.run.experiment
        rows = experiment.training.batch_size * experiment.tokens.max_length
        tables = {id(module.weight) for module in self.model.modules() if isinstance(module, nn.Embedding)}
        shapes = {tuple(each.shape) for each in self.model.parameters() if each.dim() == 2 and id(each) not in tables}
        rates = []
        for out_width, in_width in shapes:
            weight = torch.randn(out_width, in_width, device=self.device)
            states = torch.randn(rows, in_width, device=self.device)
            with torch.inference_mode(), autocast(self.precision, self.device):
                # In a network the operands arrive in the product's precision.
                dtype = nn.functional.linear(states[:1], weight).dtype
                names = {"linear": nn.functional.linear, "states": states.to(dtype), "weight": weight.to(dtype)}
                timer = Timer("linear(states, weight)", globals=names, num_threads=torch.get_num_threads())
                seconds = timer.blocked_autorange(min_run_time=PEAK_SECONDS / len(shapes)).mean
            rates.append(2.0 * rows * in_width * out_width / seconds / 1e9)
        return sum(rates) / len(rates) if rates else None

    def _trainer(self) -> Trainer:
        return Trainer(
            self.model,
            self.run.experiment.training.model_copy(update={"epochs": 1}),
            seed=self.run.seed,
            device=self.device,
            precision=self.precision,
        )


def _product_seconds() -> float:
    """Return the seconds of one matrix product on the processors: it takes longer while other programs run."""
    matrix = torch.ones(PRODUCT_WIDTH, PRODUCT_WIDTH)
    timer = Timer("matrix @ matrix", globals={"matrix": matrix}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=PRODUCT_SECONDS).median


def _rate(seconds_for: Callable[[int], float], most: int) -> float:
    """Return reviews/s, of more and more reviews until they take long enough for the clock."""
    reviews = min(WARM_UP, most)
    while True:
        seconds = seconds_for(reviews)
        if seconds >= SECONDS / 2 or reviews == most:
            return reviews / seconds
        reviews = min(most, _enough(reviews / seconds, WARM_UP))


def _enough(rate: float, batch_size: int) -> int:
    """Return how many reviews, in whole batches, take SECONDS at this rate."""
    return batch_size * max(1, round(rate * SECONDS / batch_size))


def _encoder_folders(run: RunConfig, folder: Path) -> tuple[Path | None, Path | None, bool]:
    """Return the folders of encoder and tokenizer, and whether they replace an encoder that is not here."""
    try:
        encoder = resolve_run_encoder(run, download=False)
    except EncoderNotHereError:
        from transformers import BertConfig

        BertConfig().save_pretrained(folder)  # its defaults are the shape of bert-base-uncased
        return folder, resolve_encoder().folder, True
    found = encoder.folder if encoder else None
    return found, found, False


def main() -> None:
    """Measure the run that standard input describes."""
    request = json.loads(sys.stdin.readline())
    measured = measure(run_from_settings(request["settings"]), request["device"])
    print(json.dumps(asdict(measured)))  # noqa: T201  the answer to the parent process
