"""How fast a run's model is on this machine: the same pipeline, network and trainer on real reviews.

B reviews in the batch, T tokens.

Started as `python -m benchmark.profiling.throughput` with a run's settings on standard input, it prints one JSON
object: each model is measured in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmark.config.schema import RunConfig, run_from_settings
from benchmark.experiment.features import feature_shape, feature_writer
from benchmark.plan.plan import resolve_run_encoder
from benchmark.tracking.records import Throughput
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.device import DeviceSetting, resolve_device, resolve_precision
from benchmark.training.environment import peak_memory_mib
from benchmark.training.progress import Progress
from benchmark.training.reproducibility import seed_everything
from benchmark.training.trainer import Trainer, count_parameters
from data_pipeline.config import DataConfig
from data_pipeline.encoder import EncoderNotHereError, resolve_encoder
from data_pipeline.feature_cache import DTYPE
from data_pipeline.pipeline import Part, build_data, part_of_texts
from data_pipeline.sources import load_corpus
from data_pipeline.tokenization import Tokenizer
from models.classifier import Classifier
from models.precision import Precision, autocast
from models.registry import ModelContext, get_model_spec

SECONDS = 4.0  # that a figure is measured over, one batch at least
MOST_REVIEWS = 2048  # that are read for it
WARM_UP = 8  # reviews of the first forward passes, which cost what later ones do not
SINGLES = 40  # reviews labelled one by one
COUNTED = 8  # reviews whose matrix products are counted
PEAK_SECONDS = 1.0  # of matrix products for the peak
SPECIAL_WORDS = 2  # padding and the unknown word
BACKWARD = 3  # a training step's products are three times the forward pass's: gradients of inputs and of weights


def measure(run: RunConfig, device_setting: DeviceSetting) -> Throughput:
    """Train and evaluate the run's model for some seconds on embedded reviews.

    Raises:
        DataError: the embedded reviews or the encoder cannot be read.
        DeviceError: the run asks for what this machine does not have.
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
    if spec.prepare is not None and not spec.cache_features:  # a head costs the same whatever scale it has learned
        spec.prepare(model, data.parts["train"].evaluation_batches(experiment.training.eval_batch_size))
    stand = _Stand(run, model, device, resolve_precision(experiment.training.precision, device), folder)
    train, val = data.parts["train"], data.parts["val"]
    inference_rate = stand.inference(val)
    p50, p95 = stand.latency([review.text for review in corpus.val[:SINGLES]], data.tokenizer)
    features_rate, feature_bytes = None, 0
    if spec.cache_features:
        features_rate, features = stand.features(val)
        feature_bytes = features[0].nbytes
        train, val = (part.first(len(features)).with_features(features) for part in (train, val))
    train_rate, validation_rate = stand.training(train, val)
    useful, peak = train_rate * BACKWARD * stand.forward_flops(train) / 1e9, stand.matmul_gflops()
    total, trainable = count_parameters(model)
    tokens = float(data.parts["val"].lengths.mean())
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
            parts = train.first(reviews), val.first(val_reviews)
            checkpoints = CheckpointFolder(self.folder / f"{reviews}-{val_reviews}", "", {})
            epoch = self._trainer().fit(*parts, checkpoints).epochs[0]
            rate, val_rate = len(parts[0]) / epoch.train_seconds, len(parts[1]) / epoch.val_seconds
            if epoch.train_seconds >= SECONDS / 2 or len(parts[0]) == len(train):
                return rate, val_rate
            reviews, val_reviews = _enough(rate, settings.batch_size), _enough(val_rate, WARM_UP)

    def inference(self, part: Part) -> float:
        """Reviews a second, from token ids to logits."""
        trainer = self._trainer()
        return _rate(lambda reviews: trainer.predict(part.first(reviews)).seconds, len(part))

    def features(self, part: Part) -> tuple[float, np.ndarray]:
        """Reviews a second of the frozen encoder, and the features of those that were read."""
        shape = feature_shape(self.model, part, self.device)
        made = np.empty((len(part), *shape), DTYPE)
        read = 0

        def extract(reviews: int) -> float:
            nonlocal read
            read = reviews
            fill = feature_writer(
                self.model,
                part.first(reviews),
                self.run.experiment.training.eval_batch_size,
                device=self.device,
                precision=self.precision,
                progress=Progress(),
            )
            started = time.perf_counter()
            deque(fill(made[:reviews], 0), maxlen=0)
            return time.perf_counter() - started

        rate = _rate(extract, len(part))
        return rate, made[:read]

    def latency(self, texts: list[str], tokenizer: Tokenizer) -> tuple[float, float]:
        """Median and 95th percentile of the milliseconds from one raw text to its logits."""
        trainer, times = self._trainer(), []
        for text in [texts[0], *texts]:  # the first is a warm-up
            started = time.perf_counter()
            trainer.predict(part_of_texts([text], tokenizer, self.run.experiment.tokens))
            times.append(1000 * (time.perf_counter() - started))
        p50, p95 = np.percentile(times[1:], [50, 95])
        return float(p50), float(p95)

    def forward_flops(self, part: Part) -> float:
        """Matrix products of one review's forward pass without padding: the mean over some reviews.

        Each is taken alone, in torch's own kernels: the counter does not see into oneDNN's LSTM or the fused attention.
        """
        self.model.eval()
        counter = FlopCounterMode(display=False)
        reviews = min(COUNTED, len(part))
        with counter, torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
            for position in range(reviews):
                self.model(part.batch(np.array([position])).to(self.device))
        return counter.get_total_flops() / reviews

    def matmul_gflops(self) -> float | None:
        """Billions a second that products of the network's own matrices with a batch's tokens make, alone."""
        settings = self.run.experiment.training
        rows = settings.batch_size * self.run.experiment.tokens.max_length
        shapes = {tuple(matrix.shape) for matrix in _matrices(self.model)}
        if not shapes:
            return None
        flops = seconds = 0.0
        for out_width, in_width in shapes:
            done, took = self._matmul(rows, in_width, out_width, PEAK_SECONDS / len(shapes))
            flops, seconds = flops + done, seconds + took
        return flops / seconds / 1e9

    def _matmul(self, rows: int, in_width: int, out_width: int, budget: float) -> tuple[float, float]:
        """Operations and seconds of one shape's products, repeated while the budget lasts."""
        weight = torch.randn(out_width, in_width, device=self.device)
        states = torch.randn(rows, in_width, device=self.device)
        flops = 2.0 * rows * in_width * out_width
        with torch.inference_mode(), autocast(self.precision, self.device):
            # A product's operands come in its precision, as they do from the layer before.
            kind = nn.functional.linear(states[:1], weight).dtype
            states, weight = states.to(kind), weight.to(kind)
            nn.functional.linear(states, weight)
            done, started = 0, time.perf_counter()
            while (took := time.perf_counter() - started) < budget or done == 0:
                nn.functional.linear(states, weight)
                self._wait()
                done += 1
        return done * flops, took

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _trainer(self) -> Trainer:
        return Trainer(
            self.model,
            self.run.experiment.training.model_copy(update={"epochs": 1}),
            seed=self.run.seed,
            device=self.device,
            precision=self.precision,
        )


def _matrices(model: Classifier) -> list[Tensor]:
    """The weights that take part in matrix products."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    return [weight for weight in model.parameters() if weight.dim() == 2 and id(weight) not in tables]


def _rate(seconds_for: Callable[[int], float], most: int) -> float:
    """Reviews a second: more and more of them, until they take long enough for the clock."""
    reviews = min(WARM_UP, most)
    while True:
        seconds = seconds_for(reviews)
        if seconds >= SECONDS / 2 or reviews == most:
            return reviews / seconds
        reviews = min(most, _enough(reviews / seconds, WARM_UP))


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


def main() -> None:
    """Measure the run that standard input describes."""
    request = json.loads(sys.stdin.readline())
    measured = measure(run_from_settings(request["settings"]), request["device"])
    print(json.dumps(asdict(measured)))  # noqa: T201  the answer to the process that asked


if __name__ == "__main__":
    main()
