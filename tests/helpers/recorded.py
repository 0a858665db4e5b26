"""Runs written to a store with made-up results, as the runner would write them; nothing is trained."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmark.plan.workspace import Workspace
from benchmark.results.results import PlanResults
from benchmark.tracking.records import PlanRecord, RunRecord, Status, finished_runs
from benchmark.tracking.speed import Throughput
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags

# For plans that are only made: nothing is read from it and nothing written.
NOWHERE = Workspace(tracking_uri="unused", cache_dir=Path("unused"), device="cpu")

# An encoder that only the hub has.
HUB = ["bert-frozen.model.encoder={path: null, name: null, hub: a/b, revision: " + "a" * 40 + "}"]
SPEED = Throughput(
    train_reviews_per_second=100.0,
    train_tokens_per_second=1000.0,
    validation_reviews_per_second=200.0,
    inference_reviews_per_second=150.0,
    inference_tokens_per_second=1500.0,
    features_reviews_per_second=None,
    latency_p50_ms=7.25,
    latency_p95_ms=9.0,
    train_gflops=60.0,
    matmul_gflops=100.0,
    share_of_peak=0.6,
    peak_memory_mib=1234.0,
    parameters_total=1_000_000,
    parameters_trainable=500_000,
    tokens_per_review=10.0,
    feature_bytes=0,
)


def results_of(
    plan: PlanRecord,
    runs: Sequence[RunRecord],
    speeds: Mapping[str, Throughput] | None = None,
    *,
    reviews: int = 1000,
) -> PlanResults:
    """A plan's results whose predictions are right as often as each finished run's record says.

    The networks err on reviews of their own: which ones hangs on experiment and seed alone.
    """
    labels = np.arange(reviews) % 2
    logits = {run.run_id: made_logits(run, labels) for run in finished_runs(plan, runs)}
    ids = np.array([f"{place:016x}-0" for place in range(reviews)], dtype=object)
    return PlanResults(plan, runs, ids, labels, logits, speeds or {})


def made_logits(run: RunRecord, labels: np.ndarray) -> np.ndarray:
    """(N, 2) logits that are right of a share `test/accuracy` of the N reviews."""
    return random_logits(run, labels, run.metrics["test/accuracy"])


def random_logits(run: RunRecord, labels: np.ndarray, accuracy: float, about: str = "") -> np.ndarray:
    """(N, 2) logits that are right of this share; which ones hangs on experiment, seed and what they are about."""
    generator = np.random.default_rng([run.seed, *run.experiment.encode(), *about.encode()])
    wrong = generator.permutation(len(labels))[round(accuracy * len(labels)) :]
    predicted = labels.copy()
    predicted[wrong] = 1 - predicted[wrong]
    sure = generator.uniform(0.1, 3.0, len(labels))
    return np.where(predicted[:, None] == [0, 1], sure[:, None], 0.0).astype("float32")


def eight_predictions(right: int) -> pd.DataFrame:
    """Of eight reviews, of which so many are labelled rightly."""
    positive = [float(number % 2 == (number < right)) for number in range(8)]
    table = predictions({f"r{number}": (1 - value, value) for number, value in enumerate(positive)})
    return table.assign(label=[number % 2 for number in range(8)])


def predictions(logits: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """One line for each review id; a review is positive where its id ends in `+`."""
    return pd.DataFrame(
        {
            "id": list(logits),
            "label": [int(name.endswith("+")) for name in logits],
            "logit_negative": pd.Series([negative for negative, _ in logits.values()], dtype="float32"),
            "logit_positive": pd.Series([positive for _, positive in logits.values()], dtype="float32"),
            "tokens": 5,
        }
    )


def epoch(number: int, **changes: float) -> dict[str, float]:
    """The metrics of one epoch, each epoch's loss lower than the last one's."""
    values = {"train_loss": 0.7 / number, "val_loss": 0.8 / number, "val_accuracy": 0.5 + number / 100, **changes}
    return {
        "train/loss": values["train_loss"],
        "train/learning_rate": 0.001,
        "train/seconds": 10.0 + number,
        "val/loss": values["val_loss"],
        "val/accuracy": values["val_accuracy"],
        "val/seconds": 1.0,
    }


@dataclass
class Made:
    """What a made-up run is to have; a test changes what it is about."""

    experiment: str = "lstm"
    seed: int = 1
    fingerprint: str = "f" * 16
    settings: dict[str, Any] = field(default_factory=lambda: {"model": {"name": "lstm"}, "training": {"epochs": 2}})
    tags: dict[str, str] = field(
        default_factory=lambda: {
            "corpus": "made-up reviews",
            "corpus_fingerprint": "c" * 64,
            "split_fingerprint": "5" * 64,
            "precision": "fp32",
            "device": "cpu",
        }
    )
    epochs: list[dict[str, float]] = field(default_factory=lambda: [epoch(1), epoch(2)])
    metrics: dict[str, float] = field(
        default_factory=lambda: {
            "test/accuracy": 0.75,
            "test/log_loss": 0.5,
            "best_epoch": 2.0,
            "train_seconds": 23.0,
            "peak_memory_mib": 500.5,
        }
    )
    environment: dict[str, Any] | None = field(
        default_factory=lambda: {"processor": "a processor", "threads": "2", "torch": "2.13.0"}
    )
    predictions: pd.DataFrame | None = field(
        default_factory=lambda: predictions({"a+": (0.0, 1.0), "b-": (1.0, 0.0), "c+": (0.5, 0.25)})
    )
    files: dict[str, bytes] = field(default_factory=dict)
    status: Status = Status.FINISHED
    error: str = ""
    kind: str = "run"
    profile: str = "quick"

    def record(self, store: TrackingStore) -> RunRecord:
        """The run as the store has it afterwards."""
        labels = run_tags(
            kind=self.kind, parent="", experiment=self.experiment, seed=self.seed, fingerprint=self.fingerprint
        )
        tracker = store.start_run(self.profile, f"{self.experiment} seed {self.seed}", labels)
        tracker.log_params(self.settings)
        tracker.set_tags(self.tags)
        with TemporaryDirectory() as folder:
            self._write_files(Path(folder))
            tracker.log_artifacts(Path(folder))
        for number, metrics in enumerate(self.epochs, start=1):
            tracker.log_metrics(metrics, step=number)
        tracker.log_metrics(self.metrics)
        tracker.finish(self.status, self.error)
        return store.run(tracker.run_id)

    def _write_files(self, folder: Path) -> None:
        (folder / "config.yaml").write_text(yaml.safe_dump(self.settings))
        if self.environment is not None:
            (folder / "environment.json").write_text(json.dumps(self.environment))
        if self.predictions is not None:
            self.predictions.to_parquet(folder / "predictions.parquet", index=False)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
