"""Seconds of `python -m benchmark report` over many finished runs of full size.

    python tools/speed/report.py [--runs 12] [--turns 3]

The runs are made up and written to a store of their own: four models, as many seeds as it takes, 25,000 predictions
each. Timed from process start to exit, imports included.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import pandas as pd

from benchmark.analysis.metrics import classification_metrics
from benchmark.tracking.records import PlanRecord, PlanRow, RunRecord, Status
from benchmark.tracking.store import TrackingStore
from tests.helpers.recorded import Made, made_logits

MODELS, REVIEWS = {"rnn": 0.86, "lstm": 0.88, "bert-frozen": 0.87, "bert-finetuned": 0.91}, 25_000


def made_up(name: str, seed: int, labels: np.ndarray) -> Made:
    """A finished run of that accuracy, give or take half a point."""
    accuracy = MODELS[name] + np.random.default_rng(seed).normal(0, 0.005)
    logits = made_logits(RunRecord("", "", name, seed, "", Status.FINISHED, {"test/accuracy": accuracy}), labels)
    metrics = {f"test/{score}": value for score, value in classification_metrics(labels, logits).items()}
    metrics |= {"parameters_total": 1e6, "parameters_trainable": 1e5, "train_seconds": 100.0}
    table = pd.DataFrame(
        {
            "id": [f"{number:032x}" for number in range(len(labels))],
            "label": labels,
            "logit_negative": logits[:, 0],
            "logit_positive": logits[:, 1],
        }
    )
    return Made(name, seed, name, metrics=metrics, predictions=table, profile="full")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    seeds, labels = tuple(range(arguments.runs // len(MODELS))), np.arange(REVIEWS) % 2
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        store = TrackingStore(uri, Path(folder))
        rows = tuple(PlanRow(name, name, None, None, 22_404, "s") for name in MODELS)
        store.open_plan(PlanRecord("full", seeds, rows, "made-up reviews", False, 2500, REVIEWS))
        for name in MODELS:
            for seed in seeds:
                made_up(name, seed, labels).record(store)
        seconds = []
        for _ in range(arguments.turns):
            started = time.perf_counter()
            command = [sys.executable, "-m", "benchmark", "report", "--profile", "full", "--tracking-uri", uri]
            subprocess.run([*command, "--cache-dir", folder], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - started)
    spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
    print(f"report over {arguments.runs} runs: {statistics.median(seconds):.1f} s ({spread})")


if __name__ == "__main__":
    main()
