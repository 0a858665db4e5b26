"""The files that stay with a finished run.

N reviews of the test part.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmark.config.schema import RunConfig
from benchmark.experiment.figures import confusion_matrix, learning_curve
from benchmark.tracking.records import CONFIG_FILE, ENVIRONMENT_FILE, PREDICTIONS_FILE, DatasetRecord
from benchmark.training.environment import installed_versions
from benchmark.training.evaluation import Predictions
from benchmark.training.trainer import Fit
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus
from data_pipeline.pipeline import Part
from data_pipeline.review import Review
from models.saved import PLUGIN_FILE


def write_conditions(folder: Path, run: RunConfig, machine: dict[str, str]) -> None:
    """What a run is made from and on: known before it starts, so that a run that fails has it too."""
    (folder / CONFIG_FILE).write_text(yaml.safe_dump(run.settings(), sort_keys=False), encoding="utf-8")
    (folder / ENVIRONMENT_FILE).write_text(json.dumps(machine, indent=2), encoding="utf-8")
    (folder / "constraints.txt").write_text(installed_versions(), encoding="utf-8")
    if run.plugin is not None:
        shutil.copyfile(run.plugin, folder / PLUGIN_FILE)


def write_results(folder: Path, name: str, *, fit: Fit, predictions: Predictions, test: Part, corpus: Corpus) -> None:
    """What came of a run: its predictions and two pictures."""
    in_train = {review.text for review in corpus.train}
    table = predictions_table(predictions, test, corpus.test, in_train)
    table.to_parquet(folder / PREDICTIONS_FILE, index=False)
    learning_curve(folder / "learning_curve.png", name, fit.epochs, fit.best_epoch)
    confusion_matrix(
        folder / "confusion_matrix.png",
        f"{name}, {len(test):,} test reviews",
        predictions.labels,
        predictions.logits.argmax(axis=1),
    )


def predictions_table(
    predictions: Predictions, part: Part, reviews: Sequence[Review], train_texts: Set[str]
) -> pd.DataFrame:
    """One line a review: what it is, what the model says of it, and what is known of it besides.

    Args:
        predictions: of the N reviews.
        part: the N reviews, tokenised.
        reviews: the same N reviews, in the same order.
        train_texts: the texts that the model was trained on.

    Returns:
        id, label, logit_negative, logit_positive, tokens of the whole review, truncated, also_in_train, and where the
        corpus knows them stars (1 to 10) and film.
    """
    table = pd.DataFrame(
        {
            "id": np.array(part.ids, dtype=object),
            "label": predictions.labels,
            "logit_negative": predictions.logits[:, 0],
            "logit_positive": predictions.logits[:, 1],
            "tokens": part.token_counts,
            "truncated": part.truncated,
            "also_in_train": [review.text in train_texts for review in reviews],
        }
    )
    if any(review.stars is not None for review in reviews):
        table["stars"] = pd.Series([review.stars for review in reviews], dtype="Int64")
    if any(review.film is not None for review in reviews):
        table["film"] = pd.Series([review.film for review in reviews], dtype="str")
    return table


COLUMNS = (
    {"name": "text", "type": "string", "required": True},
    {"name": "label", "type": "long", "required": True},
)


def dataset_records(corpus: Corpus, config: DataConfig) -> list[DatasetRecord]:
    """One record for each part of the corpus."""
    settings = {key: value for key, value in config.model_dump(mode="json").items() if value is not None}
    source = {"corpus": corpus.name, "corpus_fingerprint": corpus.fingerprint, **settings}
    return [
        DatasetRecord(
            name=f"{corpus.name}, {part}",
            split=part,
            digest=part_digest(reviews),
            source_type=config.source,
            source={**source, "split_fingerprint": corpus.split_fingerprint},
            columns=COLUMNS,
            profile={
                "num_rows": len(reviews),
                "positive": sum(review.label for review in reviews),
                "negative": sum(1 - review.label for review in reviews),
            },
        )
        for part, reviews in corpus.parts.items()
    ]


def part_digest(reviews: Sequence[Review]) -> str:
    """Hash of the reviews' ids, which hash label and text: the same reviews in the same order, the same digest."""
    return hashlib.sha256("\n".join(review.id for review in reviews).encode()).hexdigest()
