"""Find the best finished run of a model, and load its network."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.tracking.plans import choose_plan
from benchmark.tracking.records import RunRecord, Status
from benchmark.tracking.store import TrackingStore
from data_pipeline.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import torch

    from benchmark.inference.classifier import SentimentClassifier

BEST_BY = "best_val_loss"  # the val part chooses; the test part chooses nothing


class PredictionError(InputError):
    """A model that is missing or damaged."""


def best_finished_runs(store: TrackingStore, profile: str, plan: str | None = None) -> dict[str, RunRecord | None]:
    """Return the finished run of lowest val loss per experiment of the chosen plan, None without one.

    Raises:
        TrackingError: there is no such plan, or it cannot be read; see `choose_plan`.
    """
    _, record, known = choose_plan(store, profile, plan)
    finished = [run for run in known if run.status is Status.FINISHED and BEST_BY in run.metrics]
    best = {}
    for name in record.models:
        fingerprints = {row.fingerprint for row in record.rows if row.experiment == name}
        runs = [run for run in finished if run.fingerprint in fingerprints]
        best[name] = min(runs, key=lambda run: run.metrics[BEST_BY], default=None)
    return best


def best_finished_run(store: TrackingStore, profile: str, experiment: str, plan: str | None = None) -> RunRecord:
    """Return the experiment's finished run of lowest val loss in the chosen plan.

    Raises:
        PredictionError: there is none.
        TrackingError: there is no such plan, or it cannot be read; see `choose_plan`.
    """
    runs = best_finished_runs(store, profile, plan)
    if experiment not in runs:
        raise PredictionError(
            f"--model {experiment}: profile {profile!r} has no such experiment{did_you_mean(experiment, runs)}"
        )
    run = runs[experiment]
    if run is None:
        raise PredictionError(
            f"--model {experiment}: no run of the plan is finished. Run `python -m benchmark run {experiment} "
            f"--profile {profile}`, or choose another plan by `--plan`."
        )
    return run


def finished_run(store: TrackingStore, prefix: str) -> RunRecord:
    """Return the finished run whose id has this prefix.

    Raises:
        PredictionError: it is not finished, or holds the predictions of another system.
        TrackingError: no run or several runs have this prefix.
    """
    run = store.find_run(prefix)
    if run.status is not Status.FINISHED:
        raise PredictionError(
            f"run {run.run_id} ({run.name}): is {run.status.lower()}, not finished. See `python -m benchmark list`."
        )
    if run.external:
        raise PredictionError(f"run {run.run_id} ({run.name}): has no model, only imported predictions. Name another")
    return run


def load_classifier(store: TrackingStore, run: RunRecord, device: torch.device) -> SentimentClassifier:
    """Load the run's network and tokenizer.

    Raises:
        TrackingError: the run has no model, or the model cannot be fetched.
        PredictionError: the model's files are damaged or were changed.
    """
    from benchmark.inference.classifier import SentimentClassifier  # imports torch
    from models.saved import SavedModelError

    with tempfile.TemporaryDirectory() as folder:
        bundle = store.model_bundle(run.run_id, Path(folder))
        try:
            return SentimentClassifier(bundle, device)
        except SavedModelError as error:
            raise PredictionError(f"run {run.run_id} ({run.name}): {error}") from None


def describe(run: RunRecord) -> str:
    """Name the run with its val figures in one line."""
    loss, accuracy = run.metrics.get(BEST_BY), run.metrics.get("best_val_accuracy")
    figures = f", val loss {loss:.4f}" if loss is not None else ""
    figures += f", val accuracy {100 * accuracy:.2f} %" if accuracy is not None else ""
    return f"{run.name} (MLflow run {run.run_id}{figures})"
