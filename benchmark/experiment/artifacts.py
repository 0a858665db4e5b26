"""The files and data sets recorded with a run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmark.config.schema import RunConfig
from benchmark.experiment.figures import confusion_matrix, learning_curve
from benchmark.tracking.mlflow_tracker import DatasetRecord
from benchmark.tracking.records import CONFIG_FILE, ENVIRONMENT_FILE, PREDICTIONS_FILE
from benchmark.training.environment import installed_versions
from benchmark.training.trainer import Fit, Predictions
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus
from data_pipeline.pipeline import Part
from data_pipeline.review import Review
from models.saved import PLUGIN_FILE

COLUMNS = (("text", "string"), ("label", "long"))  # MLflow's names of the types


def write_conditions(folder: Path, run: RunConfig, machine: dict[str, str]) -> None:
    """Write the run's settings, machine, packages and plugin; they are logged first, so a failed run has them too."""
    (folder / CONFIG_FILE).write_text(yaml.safe_dump(run.settings(), sort_keys=False), encoding="utf-8")
    (folder / ENVIRONMENT_FILE).write_text(json.dumps(machine, indent=2), encoding="utf-8")
    (folder / "constraints.txt").write_text(installed_versions(), encoding="utf-8")
    if run.plugin is not None:
        shutil.copyfile(run.plugin, folder / PLUGIN_FILE)


def write_results(folder: Path, name: str, *, fit: Fit, predictions: Predictions, test: Part, corpus: Corpus) -> None:
    """Write the test predictions, the learning curve and the confusion matrix of a finished run."""
    predictions_table(predictions, test, corpus).to_parquet(folder / PREDICTIONS_FILE, index=False)
    learning_curve(folder / "learning_curve.png", name, fit.epochs, fit.best_epoch)
    title, predicted = f"{name}, {len(test):,} test reviews", predictions.logits.argmax(axis=1)
    confusion_matrix(folder / "confusion_matrix.png", title, predictions.labels, predicted)


def predictions_table(predictions: Predictions, test: Part, corpus: Corpus) -> pd.DataFrame:
    """Build a table with one row per test review: id, label, logits, metadata.

    Returns:
        id, label, logit_negative, logit_positive, tokens of the whole review, truncated, also_in_train; stars (1 to 10)
        and film where the corpus has them.
    """
    train_texts = {review.text for review in corpus.train}
    table = pd.DataFrame(
        {
            "id": np.array(test.ids, dtype=object),
            "label": predictions.labels,
            "logit_negative": predictions.logits[:, 0],
            "logit_positive": predictions.logits[:, 1],
            "tokens": test.token_counts,
            "truncated": test.truncated,
            "also_in_train": [review.text in train_texts for review in corpus.test],
        }
    )
    for name, dtype in (("stars", "Int64"), ("film", "str")):
        values = [getattr(review, name) for review in corpus.test]
        if any(value is not None for value in values):
            table[name] = pd.Series(values, dtype=dtype)
    return table


def dataset_records(corpus: Corpus, config: DataConfig) -> list[DatasetRecord]:
    """Describe each part of the corpus."""
    source = {
        "corpus": corpus.name,
        "corpus_fingerprint": corpus.fingerprint,
        **config.model_dump(mode="json", exclude_none=True),
        "split_fingerprint": corpus.split_fingerprint,
    }
    return [
        DatasetRecord(
            name=f"{corpus.name}, {part}",
            split=part,
            digest=part_digest(reviews),
            source_type=config.source,
            source=source,
            columns=[{"name": name, "type": kind, "required": True} for name, kind in COLUMNS],
            profile={
                "num_rows": len(reviews),
                "positive": sum(review.label for review in reviews),
                "negative": sum(1 - review.label for review in reviews),
            },
        )
        for part, reviews in corpus.parts.items()
    ]


def part_digest(reviews: Sequence[Review]) -> str:
    """Hash the reviews' ids, in order; an id is itself a hash of label and text."""
    return hashlib.sha256("\n".join(review.id for review in reviews).encode()).hexdigest()
