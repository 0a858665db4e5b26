"""How many reviews a second our trainer trains, as one JSON line: the counterpart of the plain recipe.

    python tests/speed/ours.py bert-finetuned [--reviews 640] [--batch-size 16] [--set KEY=VALUE ...]

The same embedded reviews, shuffled with the same seed; one epoch through pipeline and trainer after a warm-up.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from benchmark.config_file import load_suite, locate_config
from benchmark.environment import peak_memory_mib
from benchmark.plan import resolve_run_encoder
from benchmark.reproducibility import seed_everything
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.precision import resolve_precision
from benchmark.training.trainer import Trainer
from data_pipeline.config import DataConfig
from data_pipeline.pipeline import build_data
from data_pipeline.sources import load_corpus
from models.registry import ModelContext, get_model_spec

WARM_UP = 3  # batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--reviews", type=int, default=640)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    sets = [*arguments.set, "training.epochs=1"]
    if arguments.batch_size:
        sets.append(f"training.batch_size={arguments.batch_size}")
    suite = load_suite(locate_config(None), "full", sets)
    run = next(run for run in suite.runs() if run.experiment_name == arguments.model)
    spec, encoder, training = (
        get_model_spec(run.experiment.model.name),
        resolve_run_encoder(run),
        run.experiment.training,
    )
    folder = encoder.folder if encoder else None
    corpus = load_corpus(DataConfig(train_size=20_000, val_size=64, test_size=64))
    corpus = replace(corpus, train=corpus.train[: max(arguments.reviews, 1000)])
    seed_everything(2077)
    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as cache:
        data = build_data(corpus, run.experiment.tokens, spec.tokenizer, folder, Path(cache), parts=("train", "val"))
        ids = 25_002 if spec.tokenizer == "word" else data.tokenizer.vocab_size
        model = spec.build(run.experiment.model, ModelContext(ids, encoder_dir=folder))
        precision = resolve_precision(training.precision, device)
        for reviews in (WARM_UP * training.batch_size, arguments.reviews):
            trainer = Trainer(model, training, seed=2077, device=device, precision=precision)
            part = data.parts["train"].first(reviews)
            fit = trainer.fit(part, data.parts["val"].first(8), CheckpointFolder(Path(cache, str(reviews)), "", {}))
    seconds = fit.epochs[0].train_seconds
    print(  # noqa: T201
        json.dumps(
            {
                "model": arguments.model,
                "batch_size": training.batch_size,
                "threads": torch.get_num_threads(),
                "reviews_per_second": round(arguments.reviews / seconds, 2),
                "train_loss": fit.epochs[0].train_loss,
                "peak_memory_mib": round(peak_memory_mib()),
            }
        )
    )


if __name__ == "__main__":
    main()
