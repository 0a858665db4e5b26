"""Figures on challenge sets, and pairs of models, as plain values; described in docs/report-schema.md."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from benchmark.analysis.intervals import ConfidenceInterval
from benchmark.analysis.pairwise import PairwiseTests
from benchmark.report.beyond import ChallengeRow, ChallengeVerdict
from benchmark.report.rows import Spread

IN_TRAIN = "_in_train"  # ending of a column of counts


def challenge_json(found: ChallengeVerdict) -> dict[str, Any]:
    """Return one set as plain values."""
    challenge = found.results
    return {
        "name": challenge.name,
        "title": challenge.title,
        "fingerprint": challenge.fingerprint,
        "of_test": challenge.of_test,
        "reviews": len(challenge.ids),
        "groups": None if challenge.groups is None else len(set(challenge.groups)),
        "revised_alone": found.revised_alone,
        "rows": [_named(row) | challenge_figures(found, row) for row in found.rows],
        "pairs": [] if found.tests is None else pairs_json(found.tests),
    }


def challenge_frame(found: ChallengeVerdict) -> pd.DataFrame:
    """Return one row per model with its figures on one set as numbers; columns as in the CSV form."""
    rows = [_named(row) | challenge_figures(found, row) for row in found.rows]
    frame = pd.json_normalize(rows, sep="_", max_level=1)
    known = [name for name in map(str, frame) if name.endswith(("_mean", "_sd", "_low", "_high"))]
    return frame.astype(dict.fromkeys(known, "float64") | {"in_train": "Int64"})


def challenge_figures(found: ChallengeVerdict, row: ChallengeRow) -> dict[str, Any]:
    """Return a row's figures on a set, None where they are unknown; no keys of what the set does not distinguish."""
    known = [score for score in ("original", "revised") if found.results.original is not None]
    consistency = _spread(row, "consistency") | _ends(row.consistency_interval)
    return {
        "revised_alone": found.revised_alone,
        "in_train": row.in_train if row.scored else None,
        "rank": row.letters,
        "accuracy": _spread(row, "accuracy") | _ends(row.interval),
        "from_test": {"mean": row.drop} | _ends(row.drop_interval),
        **{score: _spread(row, score) for score in known},
        **({"consistency": consistency} if found.results.groups is not None else {}),
        "ece": _spread(row, "ece"),
    }


def pairs_json(tests: PairwiseTests) -> list[dict[str, Any]]:
    """Return every two models that are compared."""
    return [
        asdict(pair) | {"test": pair.test, "interval": pair.interval._asdict(), "separated": pair.separated}
        for pair in tests.pairs
    ]


def _named(row: ChallengeRow) -> dict[str, Any]:
    return {"model": row.row.name, "experiment": row.row.plan.experiment, "scored": row.scored}


def _spread(row: ChallengeRow, score: str) -> dict[str, float | None]:
    spread: Spread | None = row.scores.get(score)
    return {"mean": None, "sd": None} if spread is None else spread._asdict()


def _ends(interval: ConfidenceInterval | None) -> dict[str, float | None]:
    return {"low": None, "high": None} if interval is None else interval._asdict()
