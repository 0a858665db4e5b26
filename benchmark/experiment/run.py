"""One run: data, model and trainer put together, and what came of it recorded."""

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
from benchmark.plan.fingerprint import Inputs, fingerprint
from benchmark.plan.plan import PlannedRun, resolve_run_encoder
from benchmark.plan.workspace import Workspace
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import RUN
from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.device import resolve_device
from benchmark.training.environment import environment, machine_tags, peak_memory_mib, resume_conditions
from benchmark.training.epoch import EpochRecord
from benchmark.training.evaluation import Predictions
from benchmark.training.progress import Progress
from benchmark.training.reproducibility import seed_everything
from benchmark.training.trainer import Fit, Trainer, count_parameters
from data_pipeline.corpus import Corpus
from data_pipeline.errors import DataError
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
        """Add the time of what is inside to `<name>_seconds`."""
        started = time.perf_counter()
        yield
        key = f"{name}_seconds"
        self.seconds[key] = self.seconds.get(key, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class _Run:
    """What the steps of one run share."""

    planned: PlannedRun
    workspace: Workspace
    device: torch.device
    tracker: MlflowTracker
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


def run_experiment(planned: PlannedRun, workspace: Workspace, tracker: MlflowTracker, progress: Progress) -> Outcome:
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
    checkpoints = _checkpoints(run, machine)
    _record_conditions(run, machine)
    with run.phases.measure("tokenize"):
        corpus = load_corpus(planned.config.data, workspace.place)
    made = _prepare(run, corpus, ("train", "val", "test"))
    trainer = _trainer(run, made.model)
    fit = trainer.fit(
        made.parts["train"],
        made.parts["val"],
        checkpoints,
        on_epoch=lambda epoch: tracker.log_metrics(epoch.metrics(), step=epoch.epoch),
    )
    progress.start("test", len(made.parts["test"]))
    predictions = trainer.predict(made.parts["test"], checkpoints.saved_logits("test"))
    progress.finish()
    run.phases.seconds["total_seconds"] = checkpoints.seconds
    outcome = Outcome(_metrics(run.phases, fit, predictions, made.model), fit, predictions)
    _record_outcome(run, made, outcome)
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
    """Train the trial's model and choose its epoch by val, as `run_experiment` does; nothing is scored on test.

    Args:
        planned: the trial's settings.
        corpus: the reviews that all trials of a study share, see `Corpus.without_test`.
        workspace: where state is kept.
        tracker: the trial's log.
        progress: is told how far it is.
        on_epoch: is given each epoch's record, and may end the trial by an exception.

    Raises:
        ValueError: the corpus has a test part.
        DataError, CheckpointError, NonFiniteError: as of `run_experiment`.
    """
    if corpus.test:
        raise ValueError("a trial must not be given the test reviews")
    run = _Run(planned, workspace, resolve_device(workspace.device), tracker, progress)
    seed_everything(planned.config.seed)
    machine = environment(run.device.type)
    tracker.log_params(planned.config.settings())
    tracker.set_tags(machine_tags(machine, planned.precision))
    made = _prepare(run, corpus, ("train", "val"))

    def tell(epoch: EpochRecord) -> None:
        tracker.log_metrics(epoch.metrics(), step=epoch.epoch)
        on_epoch(epoch)

    fit = _trainer(run, made.model).fit(made.parts["train"], made.parts["val"], _checkpoints(run, machine), tell)
    tracker.log_metrics({**run.phases.seconds, **_fit_metrics(fit)})
    return fit


def _checkpoints(run: _Run, machine: dict[str, str]) -> CheckpointFolder:
    identity = run.planned.identity
    return CheckpointFolder(
        run.workspace.checkpoint_dir(identity), identity, resume_conditions(machine), run.workspace.interval
    )


def _trainer(run: _Run, model: Classifier) -> Trainer:
    return Trainer(
        model,
        run.planned.config.experiment.training,
        seed=run.planned.config.seed,
        device=run.device,
        precision=run.planned.precision,
        progress=run.progress,
    )


def _record_conditions(run: _Run, machine: dict[str, str]) -> None:
    """What the run is made from and on, before it starts."""
    config = run.planned.config
    run.tracker.log_params(config.settings())
    run.tracker.set_tags(machine_tags(machine, run.planned.precision))
    with tempfile.TemporaryDirectory() as folder:
        write_conditions(Path(folder), config, machine)
        run.tracker.log_artifacts(Path(folder))


def _prepare(run: _Run, corpus: Corpus, parts_wanted: Sequence[str]) -> _Prepared:
    """Tokenise the reviews of these parts, build the network, and let a frozen encoder do its one pass."""
    config, experiment = run.planned.config, run.planned.config.experiment
    spec, encoder = get_model_spec(experiment.model.name), resolve_run_encoder(config)
    encoder_dir, mark = (encoder.folder, encoder.fingerprint) if encoder else (None, None)
    inputs = Inputs(corpus.fingerprint, corpus.split_fingerprint, mark, run.planned.precision)
    if fingerprint(config, inputs) != run.planned.fingerprint:  # the plan may be hours old
        raise DataError("reviews, encoder or plugin have changed since the plan was made; call the same command again")
    with run.phases.measure("tokenize"):
        data = build_data(
            corpus, experiment.tokens, spec.tokenizer, encoder_dir, run.workspace.cache_dir, parts=parts_wanted
        )
    run.tracker.set_tags(_corpus_tags(corpus) | ({"encoder_fingerprint": encoder.fingerprint} if encoder else {}))
    run.tracker.log_datasets([each for each in dataset_records(corpus, config.data) if each.split in parts_wanted])
    model = spec.build(experiment.model, ModelContext(data.tokenizer.vocab_size, encoder_dir=encoder_dir))
    model = model.to(run.device)
    parts = data.parts
    if spec.cache_features and encoder is not None:
        parts, run.phases.seconds["features_seconds"] = with_features(
            model,
            data,
            encoder,
            experiment,
            cache_dir=run.workspace.cache_dir,
            save_seconds=run.workspace.interval.seconds,
            device=run.device,
            precision=run.planned.precision,
            progress=run.progress,
        )
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
    return {
        **{f"test/{name}": value for name, value in scores.items()},
        **phases.seconds,
        **_fit_metrics(fit),
        "test_seconds": predictions.seconds,
        "parameters_total": total,
        "parameters_trainable": trainable,
        "peak_memory_mib": peak_memory_mib(),
    }


def _fit_metrics(fit: Fit) -> dict[str, float]:
    """What training took, and the epoch that was chosen: MLflow's tables show a metric's last value."""
    best = fit.epochs[fit.best_epoch - 1]
    return {
        "train_seconds": sum(epoch.train_seconds for epoch in fit.epochs),
        "val_seconds": sum(epoch.val_seconds for epoch in fit.epochs),
        "best_epoch": fit.best_epoch,
        "best_val_loss": best.val_loss,
        "best_val_accuracy": best.val_accuracy,
    }
