"""The best finished run of a model, and what it says of new reviews."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.tracking.records import RunRecord, Status
from benchmark.tracking.store import TrackingStore
from data_pipeline.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import torch

    from benchmark.inference.served_model import SentimentClassifier

BEST_BY = "best_val_loss"  # the val part chooses; the test part chooses nothing


class PredictionError(InputError):
    """A model that cannot be had or used."""


def best_finished_run(store: TrackingStore, profile: str, experiment: str) -> RunRecord:
    """Of the experiment's finished runs in the profile's latest plan the one of lowest val loss.

    Raises:
        PredictionError: there is none.
        TrackingError: the plan cannot be read.
    """
    plan = store.latest_plan(profile)
    if plan is None:
        raise PredictionError(
            f"no run of profile {profile!r} is recorded here; `python -m benchmark run all --profile {profile}` makes "
            "them"
        )
    if experiment not in plan.models:
        raise PredictionError(
            f"--model {experiment}: profile {profile!r} has no such experiment{did_you_mean(experiment, plan.models)}"
        )
    marks = {row.fingerprint for row in plan.rows if row.experiment == experiment}
    finished = [
        run
        for run in store.runs(profile)
        if run.fingerprint in marks and run.status is Status.FINISHED and BEST_BY in run.metrics
    ]
    if not finished:
        raise PredictionError(
            f"--model {experiment}: no run of it is finished; "
            f"`python -m benchmark run {experiment} --profile {profile}` makes one"
        )
    return min(finished, key=lambda run: run.metrics[BEST_BY])


def finished_run(store: TrackingStore, start: str) -> RunRecord:
    """The finished run whose id begins so.

    Raises:
        PredictionError: it is not finished.
        TrackingError: there is none, or there are several.
    """
    run = store.find_run(start)
    if run.status is not Status.FINISHED:
        raise PredictionError(f"run {run.run_id} ({run.name}) is {run.status.lower()}, not finished; choose another")
    return run


def load_classifier(store: TrackingStore, run: RunRecord, device: torch.device) -> SentimentClassifier:
    """The run's network and tokenizer.

    Raises:
        TrackingError: the run has no model, or it cannot be fetched.
        PredictionError: its files are damaged or were changed.
    """
    from benchmark.inference.served_model import SentimentClassifier
    from models.saved import SavedModelError

    with tempfile.TemporaryDirectory() as folder:
        bundle = store.model_bundle(run.run_id, Path(folder))
        try:
            return SentimentClassifier(bundle, device)
        except SavedModelError as error:
            raise PredictionError(f"run {run.run_id} ({run.name}): {error}") from None


def describe(run: RunRecord) -> str:
    """Where a prediction comes from, in one line."""
    loss, accuracy = run.metrics.get(BEST_BY), run.metrics.get("best_val_accuracy")
    figures = f", val loss {loss:.4f}" if loss is not None else ""
    figures += f", val accuracy {100 * accuracy:.2f} %" if accuracy is not None else ""
    return f"{run.name} (MLflow run {run.run_id}{figures})"
