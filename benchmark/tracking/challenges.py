"""What a run predicts of challenge sets: the files of its folder `challenges`, and its metrics.

NAME.parquet has one row per review: id, label, logit_negative, logit_positive, in_train (bool: train or val of the run
had the same text) and, where the set has them, group and original. NAME.json is a `ChallengeInfo`. M reviews of a set.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from benchmark.analysis.metrics import classification_metrics, expected_calibration_error
from benchmark.analysis.shift import groups_right
from benchmark.tracking.records import CHALLENGES, RunRecord
from data_pipeline.challenges import ChallengeSet

if TYPE_CHECKING:
    from benchmark.tracking.mlflow_tracker import MlflowTracker

METRIC = "challenge/{name}/{score}"  # accuracy, ece and, with groups, consistency: 0 to 1; log_loss in nats


class ChallengeInfo(BaseModel):
    """What is known of a challenge set besides its rows; equal fingerprints: the same reviews, groups and originals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    title: str
    fingerprint: str
    of_test: bool = False


def predictions_file(name: str) -> str:
    """Return the place of a set's predictions among the run's files."""
    return f"{CHALLENGES}/{name}.parquet"


def info_file(name: str) -> str:
    """Return the place of a set's description among the run's files."""
    return f"{CHALLENGES}/{name}.json"


def scored_sets(run: RunRecord) -> list[str]:
    """Return the names of the sets that the run has an accuracy of, by its metrics; a name becomes that of a file."""
    found = (re.fullmatch(METRIC.format(name="([a-z0-9][a-z0-9_-]*)", score="accuracy"), key) for key in run.metrics)
    return [match[1] for match in found if match]


def challenge_scores(challenge: ChallengeSet, logits: np.ndarray) -> dict[str, float]:
    """Return accuracy, log_loss, ece and, where the set has groups, consistency: the share of groups all right.

    Args:
        challenge: the set.
        logits: (M, 2), in the order of its reviews.
    """
    labels = _labels(challenge)
    found = classification_metrics(labels, logits)
    scores = {"accuracy": found["accuracy"], "log_loss": found["log_loss"]}
    scores["ece"] = expected_calibration_error(labels, logits)
    if challenge.groups:
        right = (logits.argmax(axis=1) == labels)[np.newaxis]
        scores["consistency"] = float(groups_right(right, np.array(challenge.groups)).mean())
    return scores


def write_challenge(
    tracker: MlflowTracker,
    challenge: ChallengeSet,
    logits: np.ndarray,
    in_train: Sequence[bool],
    scores: Mapping[str, float],
) -> None:
    """Log the (M, 2) logits and then the scores, in place of what the run has of a set of this name."""
    table = pd.DataFrame(
        {
            "id": [review.id for review in challenge.reviews],
            "label": _labels(challenge),
            "logit_negative": logits[:, 0],
            "logit_positive": logits[:, 1],
            "in_train": list(in_train),
            **({"group": challenge.groups} if challenge.groups else {}),
            **({"original": challenge.original} if challenge.original else {}),
        }
    )
    fields = {name: getattr(challenge, name) for name in ChallengeInfo.model_fields}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / CHALLENGES).mkdir()
        table.to_parquet(folder / predictions_file(challenge.name), index=False)
        tracker.log_artifacts(folder)
        # Last: a kill between the two leaves the old fingerprint, or figures that contradict the metrics.
        (folder / predictions_file(challenge.name)).unlink()
        (folder / info_file(challenge.name)).write_text(ChallengeInfo(**fields).model_dump_json(), encoding="utf-8")
        tracker.log_artifacts(folder)
    metrics = {METRIC.format(name=challenge.name, score=score): value for score, value in scores.items()}
    tracker.log_metrics(metrics, step=tracker.next_step(next(iter(metrics))))


def _labels(challenge: ChallengeSet) -> np.ndarray:
    return np.array([review.label for review in challenge.reviews], dtype=np.int64)
