"""Label new reviews."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.inference.predict import PredictionError, best_finished_run, describe, finished_run, load_classifier
from benchmark.tracking.client import existing_uri
from benchmark.tracking.store import TrackingStore
from benchmark.training.device import DeviceSetting, resolve_device
from data_pipeline.sources import Place
from data_pipeline.table import text_fault

if TYPE_CHECKING:
    import pandas as pd


def predict(
    texts: str | Sequence[str],
    model: str | None = None,
    *,
    run: str | None = None,
    profile: str = "quick",
    plan: str | None = None,
    device: DeviceSetting = "auto",
    tracking_uri: str | None = None,
    cache_dir: str | Path | None = None,
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Label reviews with the best finished run of a model.

    Args:
        texts: one review, or several.
        model: an experiment of the plan; its run of lowest validation loss is used.
        run: this run instead, by its MLflow id or the beginning of it.
        profile: in whose plan the model is looked up.
        plan: name of the plan, or the beginning of its fingerprint; None: the one that `load_results` reads.
        device: auto, cpu, cuda or mps.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else mlflow.db in the working directory.
        cache_dir: None: BENCHMARK_CACHE, else .benchmark in the working directory.
        say: receives a line that names the run, and one on reviews without any known token, if there are some.

    Returns:
        One row per review: label, probability_negative, probability_positive.

    Raises:
        PredictionError: a text is empty or none, there is no such finished run, or its model is damaged.
        InputError: the store cannot be read, or this machine has no such device.
    """
    if (model is None) == (run is None):
        raise PredictionError("predict: name a model or a run (got both or neither)")
    reviews = [texts] if isinstance(texts, str) else list(texts)
    for number, text in enumerate(reviews, start=1):
        fault = text_fault(text) if isinstance(text, str) else f"is no text (got {type(text).__name__})"
        if fault:
            raise PredictionError(f"text {number}: {fault}")
    resolved = resolve_device(device)
    store = TrackingStore(existing_uri(tracking_uri), Place.locate(cache_dir=cache_dir).cache_dir)
    found = finished_run(store, run) if run is not None else best_finished_run(store, profile, str(model), plan)
    if say is not None:
        say(describe(found))

    def warn(unreadable: int) -> None:
        if say is not None and unreadable:
            say(f"warning: {unreadable:,} of {len(reviews):,} reviews have no token that the model knows")

    return load_classifier(store, found, resolved).predict(reviews, warn)
