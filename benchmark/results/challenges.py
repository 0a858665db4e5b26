"""Read what finished runs predict of challenge sets. M reviews of a set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from benchmark.results.results import ChallengeResults
from benchmark.tracking.challenges import METRIC, ChallengeInfo, info_file, predictions_file, scored_sets
from benchmark.tracking.client import TrackingError
from benchmark.tracking.records import RunRecord

if TYPE_CHECKING:
    from benchmark.results.read import RunFiles

DAMAGE = (OSError, ValueError, KeyError)  # pydantic's and pyarrow's own errors are of the first two kinds
LOGITS = ["logit_negative", "logit_positive"]


class _Record(NamedTuple):
    info: ChallengeInfo
    reviews: pd.DataFrame  # id, label and, where the set has them, group and original
    logits: np.ndarray
    in_train: np.ndarray


def read_challenges(files: RunFiles, runs: Sequence[RunRecord]) -> tuple[ChallengeResults, ...]:
    """Read the sets that finished runs were scored on.

    The newest run says which reviews a set has. Left out is a run that was scored on other reviews of the same name,
    and one whose files are damaged or contradict its metrics, as a kill in mid-scoring leaves them.

    Args:
        files: of the runs.
        runs: finished ones, newest first.
    """
    names = sorted({name for run in runs for name in scored_sets(run)})
    found = (_read_set(files, [run for run in runs if name in scored_sets(run)], name) for name in names)
    return tuple(each for each in found if each is not None)


def recorded_fingerprints(files: RunFiles, run: RunRecord) -> dict[str, str]:
    """Return by name the fingerprint of each set that the run was scored on, left out as by `read_challenges`."""
    found = {name: _read(files, run, name) for name in scored_sets(run)}
    return {name: record.info.fingerprint for name, record in found.items() if record is not None}


def _read_set(files: RunFiles, runs: Sequence[RunRecord], name: str) -> ChallengeResults | None:
    records: dict[str, _Record] = {}
    for run in runs:
        record = _read(files, run, name)
        first = next(iter(records.values()), record)
        if record is not None and first is not None and _same_set(record, first):
            records[run.run_id] = record
    if not records:
        return None
    info, reviews, _, _ = next(iter(records.values()))
    return ChallengeResults(
        name,
        info.title,
        info.fingerprint,
        info.of_test,
        reviews["id"].to_numpy(dtype=object),
        reviews["label"].to_numpy(np.int64),
        reviews["group"].to_numpy(dtype=object) if "group" in reviews else None,
        reviews["original"].to_numpy(np.bool_) if "original" in reviews else None,
        {run_id: record.logits for run_id, record in records.items()},
        {run_id: record.in_train for run_id, record in records.items()},
    )


def _read(files: RunFiles, run: RunRecord, name: str) -> _Record | None:
    """Return what a run predicts of a set; None where its files are damaged or contradict its metrics."""
    try:
        info = ChallengeInfo.model_validate_json(files.path(run, info_file(name)).read_bytes())
        table = files.table(run, predictions_file(name))
        logits = table[LOGITS].to_numpy(np.float32)
        in_train = table["in_train"].to_numpy(np.bool_)
        right = logits.argmax(axis=1) == table["label"].to_numpy(np.int64)
    except (TrackingError, *DAMAGE):
        return None
    same = math.isclose(right.mean(), run.metrics[METRIC.format(name=name, score="accuracy")], abs_tol=1e-9)
    if not same or not table["id"].is_unique:
        return None
    return _Record(info, table.drop(columns=[*LOGITS, "in_train"]), logits, in_train)


def _same_set(one: _Record, other: _Record) -> bool:
    return one.info.fingerprint == other.info.fingerprint and one.reviews.equals(other.reviews)
