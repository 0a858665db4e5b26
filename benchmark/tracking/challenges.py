"""What a run predicts of challenge sets: the files of its folder `challenges`, and its metrics.

NAME.parquet has one row per review: id, label, logit_negative, logit_positive, in_train (bool: train or val of the run
had the same text) and, where the set has them, group and original. NAME.json is a `ChallengeInfo`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from benchmark.tracking.records import CHALLENGES

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
