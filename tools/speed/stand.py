"""What the speed scripts share: a run of profile `full`, its network and embedded reviews, ready to train."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmark.config.load import load_suite, locate_config, parse_assignments
from benchmark.config.schema import RunConfig
from benchmark.plan.encoder import resolve_run_encoder
from benchmark.training.device import resolve_precision
from benchmark.training.reproducibility import seed_everything
from benchmark.training.trainer import Trainer
from data_pipeline.config import DataConfig
from data_pipeline.load import load_corpus
from data_pipeline.pipeline import Part, build_data
from models.classifier import Classifier
from models.registry import ModelContext, get_model_spec

DEVICE = torch.device("cpu")
SPECIAL_WORDS = 2  # padding and the unknown word


@dataclass(frozen=True)
class Stand:
    """A network, the reviews to train it on and to judge it by, and a folder for what is thrown away."""

    run: RunConfig
    model: Classifier
    train: Part
    val: Part
    folder: Path

    def trainer(self, progress=None) -> Trainer:
        """A new one; the network goes on where it is."""
        training = self.run.experiment.training
        precision = resolve_precision(training.precision, DEVICE)
        return Trainer(self.model, training, seed=self.run.seed, device=DEVICE, precision=precision, progress=progress)


@contextmanager
def stand(model: str, reviews: int, sets: list[str], val_reviews: int = 8, seed: int = 2077) -> Iterator[Stand]:
    """The experiment of that name with these settings."""
    suite = load_suite(locate_config(None), "full", parse_assignments(sets))
    run = replace(next(run for run in suite.runs() if run.experiment_name == model), seed=seed)
    spec, encoder = get_model_spec(run.experiment.model.name), resolve_run_encoder(run)
    folder = encoder.folder if encoder else None
    corpus = load_corpus(DataConfig(train_size=22_000, val_size=2_000, test_size=64))
    # A vocabulary of all, so that the optimizer pays for every row.
    seed_everything(seed)
    with TemporaryDirectory() as scratch:
        data = build_data(corpus, run.experiment.tokens, spec.tokenizer, folder, Path(scratch), parts=("train", "val"))
        network = spec.build(run.experiment.model, ModelContext(data.tokenizer.vocab_size, encoder_dir=folder))
        train, val = data.parts["train"].first(reviews), data.parts["val"].first(val_reviews)
        yield Stand(run, network, train, val, Path(scratch))


def options(text: str) -> argparse.ArgumentParser:
    """A parser for the model, the reviews and the settings."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--reviews", type=int, default=640)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser
