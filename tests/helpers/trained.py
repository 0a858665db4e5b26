"""Small networks trained for one epoch, with all that the runner has at hand when a run's test part is scored."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import yaml

from benchmark.config.load import load_suite, parse_assignments
from benchmark.experiment.bundle import write_bundle
from benchmark.plan.encoder import resolve_run_encoder
from benchmark.plan.plan import Plan, PlannedRun, make_plan
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.trainer import Predictions, Trainer
from data_pipeline.corpus import Corpus
from data_pipeline.load import load_corpus
from data_pipeline.pipeline import build_data
from models.classifier import Classifier
from models.registry import ModelContext, get_model_spec
from tests.helpers.recorded import NOWHERE

MODELS = ["rnn", "lstm", "bert-frozen", "bert-finetuned", "lstm-attention", "bow"]
SIZES = {"train": 200, "val": 50, "test": 60}  # reviews per part of the tiny suite


@dataclass(frozen=True)
class Trained:
    """A trained network, the files written of it, and what the trainer says of the test part."""

    plan: Plan
    planned: PlannedRun
    corpus: Corpus
    model: Classifier
    trainer: Trainer
    predictions: Predictions
    metrics: dict[str, float]
    bundle: Path

    @property
    def texts(self) -> list[str]:
        return [review.text for review in self.corpus.test]


def run_of(plan: Plan, name: str) -> PlannedRun:
    """Return the experiment's first run."""
    return next(run for run in plan.runs if run.config.experiment_name == name)


def train(write_config: Callable[..., Path], folder: Path, name: str, *assignments: str) -> Trained:
    """One epoch of the experiment of the tiny suite, as the runner does it, without a cache of features."""
    config = write_config(profiles={"quick": {"experiments": MODELS}})
    plan = make_plan(load_suite(config, "quick", parse_assignments(["training.epochs=1", *assignments])), NOWHERE)
    planned = run_of(plan, name)
    experiment, corpus = planned.config.experiment, load_corpus(planned.config.data)
    spec, encoder = get_model_spec(experiment.model.name), resolve_run_encoder(planned.config)
    encoder_dir = encoder.folder if encoder else None
    data = build_data(corpus, experiment.tokens, spec.tokenizer, encoder_dir, folder / "cache")
    torch.manual_seed(1)
    model = spec.build(experiment.model, ModelContext(data.tokenizer.vocab_size, encoder_dir=encoder_dir))
    if spec.prepare is not None:
        spec.prepare(model, data.parts["train"].evaluation_batches(experiment.training.eval_batch_size))
    trainer = Trainer(model, experiment.training, seed=1, device=torch.device("cpu"), precision=planned.precision)
    checkpoints = CheckpointFolder(folder / "checkpoints" / planned.identity, planned.identity, {})
    fit = trainer.fit(data.parts["train"], data.parts["val"], checkpoints)
    predictions = trainer.predict(data.parts["test"])
    metrics = {
        "best_epoch": float(fit.best_epoch),
        "best_val_loss": fit.epochs[-1].val_loss,
        "best_val_accuracy": fit.epochs[-1].val_accuracy,
        "test/accuracy": predictions.accuracy,
        "test/f1": 0.5,
        "test/roc_auc": 0.25,
        "test/log_loss": predictions.loss,
    }
    bundle = folder / "written" / name
    bundle.mkdir(parents=True)
    tools = {"model": model, "tokenizer": data.tokenizer, "encoder_dir": encoder_dir}
    write_bundle(bundle, planned, corpus=corpus, metrics=metrics, **tools)
    return Trained(plan, planned, corpus, model, trainer, predictions, metrics, bundle)


def record(store: TrackingStore, trained: Trained, *, seed: int = 1, status: Status = Status.FINISHED, **values) -> str:
    """A run of it in the store, its model logged; `values` take the place of metrics. The run's id."""
    experiment = trained.planned.config.experiment_name
    parent, fingerprint = store.open_plan(trained.plan.record), trained.planned.fingerprint
    labels = run_tags(parent=parent, experiment=experiment, seed=seed, fingerprint=fingerprint)
    tracker = store.start_run("quick", f"{experiment} seed {seed}", labels)
    tracker.log_model(trained.bundle, experiment, step=1)
    tracker.log_metrics(trained.metrics | values)
    if status is not Status.RUNNING:
        tracker.finish(status)
    return tracker.run_id


def record_whole(store: TrackingStore, trained: Trained, folder: Path, **values) -> str:
    """A run with its model, settings and predictions."""
    run_id = record(store, trained, **values)
    columns = dict(zip(("logit_negative", "logit_positive"), trained.predictions.logits.T, strict=True))
    ids = [review.id for review in trained.corpus.test]
    folder.mkdir()
    pd.DataFrame({"id": ids, "label": trained.predictions.labels, **columns}).to_parquet(
        folder / "predictions.parquet", index=False
    )
    (folder / "config.yaml").write_text(yaml.safe_dump(trained.planned.config.settings()))
    store.reopen(run_id).log_artifacts(folder)
    return run_id
