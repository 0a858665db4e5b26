"""One run: data, model and trainer put together, and what came of it recorded."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmark.analysis.metrics import classification_metrics
from benchmark.artifacts import write_conditions, write_results
from benchmark.bundle import write_bundle
from benchmark.datasets import dataset_records
from benchmark.environment import decisive, environment, machine_tags, peak_memory_mib
from benchmark.features import feature_shape, feature_writer
from benchmark.plan import PlannedRun, Workspace, resolve_run_encoder
from benchmark.progress import Progress
from benchmark.records import RUN
from benchmark.reproducibility import seed_everything
from benchmark.tracking.tracker import Tracker
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.evaluation import Predictions
from benchmark.training.precision import resolve_device
from benchmark.training.trainer import Fit, Trainer, count_parameters
from data_pipeline.corpus import Corpus
from data_pipeline.encoder import Encoder
from data_pipeline.feature_cache import cached_features, feature_key
from data_pipeline.pipeline import Data, Part, build_data
from data_pipeline.sources import load_corpus
from models.classifier import Classifier
from models.registry import ModelContext, get_model_spec


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished run found.

    Attributes:
        metrics: `test/...` scores, seconds of each phase, sizes.
        fit: the epochs, and the one chosen.
        predictions: of the test part, by the chosen epoch.
    """

    metrics: dict[str, float]
    fit: Fit
    predictions: Predictions


@dataclass(slots=True)
class _Phases:
    """Wall time of each phase of a run, under the metric's name."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Time what is inside as `<name>_seconds`."""
        started = time.perf_counter()
        yield
        self.seconds[f"{name}_seconds"] = time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class _Run:
    """What the steps of one run share."""

    planned: PlannedRun
    workspace: Workspace
    device: torch.device
    tracker: Tracker
    progress: Progress
    phases: _Phases = field(default_factory=_Phases)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The reviews and the network, ready to train.

    Attributes:
        corpus: the split reviews.
        data: the same, tokenised.
        parts: by name; with features in place of tokens where the encoder is frozen.
        model: the network, on its device.
        encoder_dir: folder of the encoder that it was made from, None without one.
    """

    corpus: Corpus
    data: Data
    parts: dict[str, Part]
    model: Classifier
    encoder_dir: Path | None


def run_experiment(planned: PlannedRun, workspace: Workspace, tracker: Tracker, progress: Progress) -> Outcome:
    """Train the run's model, choose its epoch by val, score it on test once, and record everything.

    A run that was interrupted goes on after its newest checkpoint. Its status is the caller's to write, last of all.

    Raises:
        DataError: reviews, encoder or cache cannot be read.
        CheckpointError: the run was begun under conditions that would change its result.
        NonFiniteError: a loss or gradient is not a number.
    """
    run = _Run(planned, workspace, resolve_device(workspace.device), tracker, progress)
    seed_everything(planned.config.seed)
    machine = environment(run.device.type)
    checkpoints = CheckpointFolder(
        workspace.checkpoint_dir(planned.identity), planned.identity, decisive(machine), workspace.interval
    )
    _record_conditions(run, machine)
    made = _prepare(run)
    trainer = Trainer(
        made.model,
        planned.config.experiment.training,
        seed=planned.config.seed,
        device=run.device,
        precision=planned.precision,
        progress=progress,
    )
    fit = trainer.fit(
        made.parts["train"],
        made.parts["val"],
        checkpoints,
        on_epoch=lambda epoch: tracker.log_metrics(epoch.metrics(), step=epoch.epoch),
    )
    progress.start("test", len(made.parts["test"]))
    predictions = trainer.predict(made.parts["test"], checkpoints.kept_logits("test"))
    progress.finish()
    run.phases.seconds["total_seconds"] = checkpoints.seconds
    outcome = Outcome(_metrics(run.phases, fit, predictions, made.model), fit, predictions)
    _record_outcome(run, made, outcome)
    return outcome


def _record_conditions(run: _Run, machine: dict[str, str]) -> None:
    """What the run is made from and on, before it starts."""
    config = run.planned.config
    run.tracker.log_params(config.settings())
    run.tracker.set_tags(machine_tags(machine, run.planned.precision))
    with tempfile.TemporaryDirectory() as folder:
        write_conditions(Path(folder), config, machine)
        run.tracker.log_artifacts(Path(folder))


def _prepare(run: _Run) -> _Prepared:
    """Read and tokenise the reviews, build the network, and let a frozen encoder do its one pass."""
    config, experiment = run.planned.config, run.planned.config.experiment
    spec, encoder = get_model_spec(experiment.model.name), resolve_run_encoder(config)
    encoder_dir = encoder.folder if encoder else None
    with run.phases.measure("tokenize"):
        corpus = load_corpus(config.data, run.workspace.place)
        data = build_data(corpus, experiment.tokens, spec.tokenizer, encoder_dir, run.workspace.cache_dir)
    run.tracker.set_tags(_corpus_tags(corpus) | ({"encoder_fingerprint": encoder.fingerprint} if encoder else {}))
    run.tracker.log_datasets(dataset_records(corpus, config.data))
    model = spec.build(experiment.model, ModelContext(data.tokenizer.vocab_size, encoder_dir=encoder_dir))
    model = model.to(run.device)
    parts = data.parts
    if spec.cache_features and encoder is not None:
        parts, run.phases.seconds["features_seconds"] = _with_features(model, data, encoder, run)
    if spec.prepare is not None:
        spec.prepare(model, parts["train"].evaluation_batches(experiment.training.eval_batch_size))
    return _Prepared(corpus, data, parts, model, encoder_dir)


def _record_outcome(run: _Run, made: _Prepared, outcome: Outcome) -> None:
    """Predictions, pictures, the model that was chosen, and last the figures."""
    name, fit = run.planned.config.name, outcome.fit
    with tempfile.TemporaryDirectory() as folder:
        write_results(
            Path(folder),
            name,
            fit=fit,
            predictions=outcome.predictions,
            test=made.parts["test"],
            corpus=made.corpus,
        )
        run.tracker.log_artifacts(Path(folder))
    if run.planned.kind == RUN:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder, "bundle")  # the name that the folder keeps in MLflow
            bundle.mkdir()
            write_bundle(
                bundle,
                run.planned,
                model=made.model,
                tokenizer=made.data.tokenizer,
                encoder_dir=made.encoder_dir,
                corpus=made.corpus,
                metrics=outcome.metrics,
            )
            run.tracker.log_model(bundle, name, step=fit.best_epoch)
    run.tracker.log_metrics({**outcome.metrics, "tracking_seconds": run.tracker.seconds})


def _corpus_tags(corpus: Corpus) -> dict[str, str]:
    return {
        "corpus": corpus.name,
        "corpus_fingerprint": corpus.fingerprint,
        "split_fingerprint": corpus.split_fingerprint,
    }


def _metrics(phases: _Phases, fit: Fit, predictions: Predictions, model: Classifier) -> dict[str, float]:
    """The figures of a finished run: scores on test, seconds by phase, sizes."""
    scores = classification_metrics(predictions.labels, predictions.logits)
    total, trainable = count_parameters(model)
    best = fit.epochs[fit.best_epoch - 1]
    return {
        **{f"test/{name}": value for name, value in scores.items()},
        **phases.seconds,
        "train_seconds": sum(epoch.train_seconds for epoch in fit.epochs),
        "val_seconds": sum(epoch.val_seconds for epoch in fit.epochs),
        "test_seconds": predictions.seconds,
        # MLflow's tables show a metric's last value; these are those of the epoch that was chosen.
        "best_epoch": fit.best_epoch,
        "best_val_loss": best.val_loss,
        "best_val_accuracy": best.val_accuracy,
        "parameters_total": total,
        "parameters_trainable": trainable,
        "peak_memory_mib": peak_memory_mib(),
    }


def _with_features(model: Classifier, data: Data, encoder: Encoder, run: _Run) -> tuple[dict[str, Part], float]:
    """The parts with what the frozen encoder makes of them, and what that cost, now or when it was done."""
    experiment = run.planned.config.experiment
    shape = feature_shape(model, data.parts["val"], run.device)
    parts, seconds = {}, 0.0
    for name, part in data.parts.items():
        key = feature_key(
            encoder.fingerprint,
            experiment.tokens,
            run.planned.precision,
            part.ids,
        )
        fill = feature_writer(
            model,
            part,
            experiment.training.eval_batch_size,
            device=run.device,
            precision=run.planned.precision,
            progress=run.progress,
        )
        features = cached_features(
            run.workspace.cache_dir, key, (len(part), *shape), fill, run.workspace.interval.seconds
        )
        parts[name] = part.with_features(features.array)
        seconds += features.seconds
    return parts, seconds
