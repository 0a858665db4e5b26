"""Do one run: put data, model and trainer together and record the result."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmark.analysis.metrics import classification_metrics
from benchmark.experiment.artifacts import dataset_records, write_conditions, write_results
from benchmark.experiment.bundle import write_bundle
from benchmark.experiment.features import with_features
from benchmark.experiment.unknown import check_unknown
from benchmark.experiment.vectors import begin_vectors
from benchmark.plan.encoder import resolve_run_encoder
from benchmark.plan.fingerprint import Inputs, fingerprint
from benchmark.plan.plan import PlannedRun
from benchmark.plan.workspace import Workspace
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import RUN
from benchmark.tracking.tags import UNSTABLE
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.device import resolve_device
from benchmark.training.environment import environment, machine_tags, peak_memory_mib, resume_conditions
from benchmark.training.epoch import EpochRecord
from benchmark.training.progress import Progress
from benchmark.training.reproducibility import seed_everything
from benchmark.training.trainer import Fit, Predictions, Trainer, count_parameters
from data_pipeline.corpus import Corpus
from data_pipeline.errors import DataError
from data_pipeline.load import load_corpus
from data_pipeline.pipeline import Data, Part, build_data
from models.classifier import Classifier
from models.registry import ModelContext, get_model_spec


@dataclass(frozen=True, slots=True)
class Outcome:
    """Metrics of a finished run, its epochs, the predictions of the test part by the best epoch, and its reviews."""

    metrics: dict[str, float]
    fit: Fit
    predictions: Predictions
    corpus: Corpus


@dataclass(frozen=True, slots=True)
class _Run:
    """State that the steps of one run share; `seconds` holds the wall time per phase, by metric name."""

    planned: PlannedRun
    workspace: Workspace
    tracker: MlflowTracker
    progress: Progress
    device: torch.device
    machine: dict[str, str]
    checkpoints: CheckpointFolder
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        key = f"{phase}_seconds"
        self.seconds[key] = self.seconds.get(key, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Reviews and network, ready to train; `parts` carry features if the encoder is frozen."""

    corpus: Corpus
    data: Data
    parts: dict[str, Part]
    model: Classifier
    encoder_dir: Path | None


def run_experiment(planned: PlannedRun, workspace: Workspace, tracker: MlflowTracker, progress: Progress) -> Outcome:
    """Train the run's model, choose its epoch by val, score it on test once, and record everything.

    An interrupted run resumes from its newest checkpoint. The caller writes the run's status, after everything else.

    Raises:
        DataError: reviews, encoder or cache cannot be read, or hardly any token of the reviews is known.
        CheckpointError: the run began under conditions that would change its result.
        NonFiniteError: a loss or gradient is not a number.
    """
    run = _begin(planned, workspace, tracker, progress)
    with tempfile.TemporaryDirectory() as folder:
        write_conditions(Path(folder), planned.config, run.machine)
        tracker.log_artifacts(Path(folder))
    with run.timed("tokenize"):
        corpus = load_corpus(planned.config.data, workspace.place, planned.config.challenges)
    ready = _prepare(run, corpus, ("train", "val", "test"))
    trainer, fit = _fit(run, ready, lambda _: None)
    progress.start("test", len(ready.parts["test"]))
    predictions = trainer.predict(ready.parts["test"], run.checkpoints.saved_logits("test"))
    progress.finish()
    run.seconds["total_seconds"] = run.checkpoints.seconds
    outcome = Outcome(_metrics(run, fit, predictions, ready.model), fit, predictions, corpus)
    _check_stability(run, fit)
    _record_outcome(run, ready, outcome)
    return outcome


def run_trial(
    planned: PlannedRun,
    corpus: Corpus,
    workspace: Workspace,
    tracker: MlflowTracker,
    *,
    progress: Progress,
    on_epoch: Callable[[EpochRecord], None],
) -> Fit:
    """Train a trial's model and choose its epoch by val, as `run_experiment` does, without a test part.

    All trials of a study share the corpus, see `Corpus.without_test`. An exception of `on_epoch` ends the trial. An
    unstable trial is not marked: its val score alone decides.

    Raises:
        ValueError: the corpus has a test part.
        DataError, CheckpointError, NonFiniteError: as `run_experiment` raises them.
    """
    if corpus.test:
        raise ValueError("a trial must not be given the test reviews")
    run = _begin(planned, workspace, tracker, progress)
    _, fit = _fit(run, _prepare(run, corpus, ("train", "val")), on_epoch)
    tracker.log_metrics({**run.seconds, **_fit_metrics(fit)})
    return fit


def _begin(planned: PlannedRun, workspace: Workspace, tracker: MlflowTracker, progress: Progress) -> _Run:
    device = resolve_device(workspace.device)
    seed_everything(planned.config.seed)
    machine, identity = environment(device.type), planned.identity
    folder = workspace.checkpoint_dir(identity)
    checkpoints = CheckpointFolder(folder, identity, resume_conditions(machine), workspace.interval)
    tracker.log_params(planned.config.settings())
    tracker.set_tags(machine_tags(machine, planned.precision))
    return _Run(planned, workspace, tracker, progress, device, machine, checkpoints)


def _fit(run: _Run, ready: _Prepared, on_epoch: Callable[[EpochRecord], None]) -> tuple[Trainer, Fit]:
    def record(epoch: EpochRecord) -> None:
        run.tracker.log_metrics(epoch.metrics(), step=epoch.epoch)
        on_epoch(epoch)

    trainer = Trainer(
        ready.model,
        run.planned.config.experiment.training,
        seed=run.planned.config.seed,
        device=run.device,
        precision=run.planned.precision,
        progress=run.progress,
    )
    return trainer, trainer.fit(ready.parts["train"], ready.parts["val"], run.checkpoints, record)


def _prepare(run: _Run, corpus: Corpus, part_names: Sequence[str]) -> _Prepared:
    """Tokenise the reviews of these parts, build the network, and compute a frozen encoder's features."""
    config, experiment = run.planned.config, run.planned.config.experiment
    spec, encoder = get_model_spec(experiment.model.name), resolve_run_encoder(config)
    encoder_dir, encoder_hash = (encoder.folder, encoder.fingerprint) if encoder else (None, None)
    inputs = Inputs(corpus.fingerprint, corpus.split_fingerprint, encoder_hash, run.planned.precision)
    if fingerprint(config, inputs) != run.planned.fingerprint:  # the plan may be hours old
        raise DataError("reviews, encoder or plugin have changed since the plan was made; run the same command again")
    with run.timed("tokenize"):
        cache_dir = run.workspace.cache_dir
        data = build_data(corpus, experiment.tokens, spec.tokenizer, encoder_dir, cache_dir, parts=part_names)
    check_unknown(data, run.tracker, run.progress)
    tags = {"corpus_fingerprint": corpus.fingerprint, "split_fingerprint": corpus.split_fingerprint}
    tags |= {"encoder_fingerprint": encoder_hash} if encoder_hash else {}
    run.tracker.set_tags({"corpus": corpus.name, **tags})
    run.tracker.log_datasets([each for each in dataset_records(corpus, config.data) if each.split in part_names])
    vectors = begin_vectors(experiment.model, data.tokenizer, encoder_dir, run.tracker, run.progress)
    context = ModelContext(data.tokenizer.vocab_size, encoder_dir=encoder_dir, vectors=vectors)
    model = spec.build(experiment.model, context)
    model = model.to(run.device)
    parts = data.parts
    if spec.cache_features and encoder is not None:
        parts, run.seconds["features_seconds"] = with_features(
            model,
            data,
            encoder,
            experiment,
            cache_dir=cache_dir,
            save_seconds=run.workspace.interval.seconds,
            device=run.device,
            precision=run.planned.precision,
            progress=run.progress,
        )
    if spec.prepare is not None:
        spec.prepare(model, parts["train"].evaluation_batches(experiment.training.eval_batch_size))
    return _Prepared(corpus, data, parts, model, encoder_dir)


def _check_stability(run: _Run, fit: Fit) -> None:
    """Record the epochs in which training came apart, and print a warning."""
    if fit.unstable:
        run.tracker.set_tags({UNSTABLE: ", ".join(map(str, fit.unstable))})
        worst = max((fit.epochs[number - 1] for number in fit.unstable), key=lambda epoch: epoch.train_loss)
        run.progress.say(
            f"warning: training was unstable: train/loss {worst.train_loss:.4f} in epoch {worst.epoch} (epoch 1: "
            f"{fit.epochs[0].train_loss:.4f}); the run's figure depends on luck. Lower `training.learning_rate` or "
            "`training.max_grad_norm`."
        )


def _record_outcome(run: _Run, ready: _Prepared, outcome: Outcome) -> None:
    """Record predictions, pictures, the model of the best epoch, and last the metrics."""
    name, fit, corpus = run.planned.config.name, outcome.fit, ready.corpus
    with tempfile.TemporaryDirectory() as folder:
        results, bundle = Path(folder, "results"), Path(folder, "bundle")  # MLflow takes over the name `bundle`
        results.mkdir()
        test = ready.parts["test"]
        write_results(results, name, fit=fit, predictions=outcome.predictions, test=test, corpus=corpus)
        run.tracker.log_artifacts(results)
        if run.planned.kind == RUN:
            bundle.mkdir()
            write_bundle(
                bundle,
                run.planned,
                model=ready.model,
                tokenizer=ready.data.tokenizer,
                encoder_dir=ready.encoder_dir,
                corpus=corpus,
                metrics=outcome.metrics,
            )
            run.tracker.log_model(bundle, name, step=fit.best_epoch)
    run.tracker.log_metrics({**outcome.metrics, "tracking_seconds": run.tracker.seconds})


def _metrics(run: _Run, fit: Fit, predictions: Predictions, model: Classifier) -> dict[str, float]:
    scores = classification_metrics(predictions.labels, predictions.logits)
    total, trainable = count_parameters(model)
    return {
        **{f"test/{name}": value for name, value in scores.items()},
        **run.seconds,
        **_fit_metrics(fit),
        "test_seconds": predictions.seconds,
        "parameters_total": total,
        "parameters_trainable": trainable,
        "peak_memory_mib": peak_memory_mib(),
    }


def _fit_metrics(fit: Fit) -> dict[str, float]:
    """Return training time and the best epoch's figures: MLflow's tables show only a metric's last value."""
    best = fit.epochs[fit.best_epoch - 1]
    return {
        "train_seconds": sum(epoch.train_seconds for epoch in fit.epochs),
        "val_seconds": sum(epoch.val_seconds for epoch in fit.epochs),
        "best_epoch": fit.best_epoch,
        "best_val_loss": best.val_loss,
        "best_val_accuracy": best.val_accuracy,
    }
