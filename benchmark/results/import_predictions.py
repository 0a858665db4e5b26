"""Record another system's predictions: of the test part as a run of its own, of a challenge set beside them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmark.analysis.metrics import classification_metrics
from benchmark.results.challenges import read_challenges
from benchmark.results.external import test_part
from benchmark.results.predictions_file import ForeignPredictions
from benchmark.results.read import files_of
from benchmark.results.results import ResultsError
from benchmark.tracking import tags
from benchmark.tracking.challenges import challenge_scores, write_challenge
from benchmark.tracking.records import CONFIG_FILE, ENVIRONMENT_FILE, EXTERNAL, PREDICTIONS_FILE, RunRecord, Status
from benchmark.tracking.store import TrackingStore
from data_pipeline.challenges import ChallengeSet
from data_pipeline.files import hash_lines
from data_pipeline.review import Review

LOGITS = ["logit_negative", "logit_positive"]
NOTE = (
    "Predictions of another system, imported from a file; nothing was trained here. Artifacts: `predictions.parquet` "
    "(one line per test review) and, per challenge set, `challenges/NAME.parquet`."
)
NEED_PROBABILITIES = ("roc_auc", "log_loss", "ece")  # scores that labels alone do not have


@dataclass(frozen=True, slots=True)
class Origin:
    """Where predictions come from: name and hash of the file, and the command that imports it."""

    file: str
    sha256: str
    command: str


@dataclass(frozen=True, slots=True)
class Importer:
    """Where predictions go: the runs of one system, with one test part, in one profile.

    Attributes:
        name: of the system.
        test: the reviews of the test part.
        fresh: replace other predictions of this name.
    """

    store: TrackingStore
    profile: str
    name: str
    test: Sequence[Review]
    fresh: bool = False

    @property
    def part(self) -> str:
        """Return the hash of the test part."""
        return test_part((review.id for review in self.test), (review.label for review in self.test))

    def known(self) -> list[RunRecord]:
        """Return the system's runs of this test part, newest first."""
        runs = self.store.runs(self.profile, EXTERNAL)
        return [run for run in runs if (run.experiment, run.tags.get(tags.TEST_PART)) == (self.name, self.part)]

    def add_test(self, given: ForeignPredictions, origin: Origin) -> bool:
        """Record predictions of the test part; return False where they are recorded already.

        Raises:
            ResultsError: other ones are recorded under this name.
        """
        rows = zip((review.id for review in self.test), given.logits.tolist(), strict=True)
        fingerprint = hash_lines([self.name, self.part, *sorted(f"{review} {logits}" for review, logits in rows)])[:16]
        known = self.known()
        finished = [run for run in known if run.status is Status.FINISHED]
        if any(run.fingerprint == fingerprint for run in finished):
            return False
        if finished and not self.fresh:
            raise self._refusal("the test part")
        labels = tags.origin_tags(origin.command) | tags.run_tags(
            kind=EXTERNAL, parent="", experiment=self.name, seed=0, fingerprint=fingerprint, note=NOTE
        )
        labels |= {tags.TEST_PART: self.part, tags.PREDICTIONS: _kind(given)}
        tracker = self.store.start_run(self.profile, self.name, labels)
        settings = {
            "file": origin.file,
            "sha256": origin.sha256,
            "rows": len(self.test),
            "predictions": _kind(given),
        }
        tracker.log_params(settings)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / CONFIG_FILE).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
            (folder / ENVIRONMENT_FILE).write_text(json.dumps({}), encoding="utf-8")
            self._table(given).to_parquet(folder / PREDICTIONS_FILE, index=False)
            tracker.log_artifacts(folder)
        scores = classification_metrics(np.array([review.label for review in self.test]), given.logits)
        tracker.log_metrics({f"test/{score}": value for score, value in _known(scores, given).items()})
        for run in known:  # also one that a killed import left behind
            self.store.supersede(run.run_id)
        tracker.finish(Status.FINISHED)
        return True

    def add_challenge(self, challenge: ChallengeSet, given: ForeignPredictions) -> bool:
        """Record predictions of a challenge set with those of the test part; return False where they are recorded.

        Raises:
            ResultsError: those of the test part are not recorded, or other ones of the set are.
        """
        run = next((run for run in self.known() if run.status is Status.FINISHED), None)
        if run is None:
            raise ResultsError(
                f"{self.name}: has no predictions of this test part. Import them first: "
                f"`python -m benchmark import FILE --name {self.name} --on test --profile {self.profile}`"
            )
        if _kind(given) != run.tags[tags.PREDICTIONS]:
            raise ResultsError(
                f"{self.name}: has {run.tags[tags.PREDICTIONS]} of the test part (got {_kind(given)} of "
                f"{challenge.name}). Import the same of both"
            )
        with files_of(self.store) as files:
            recorded = {each.fingerprint: each.logits[run.run_id] for each in read_challenges(files, [run])}
        if challenge.fingerprint in recorded:
            if np.array_equal(recorded[challenge.fingerprint], given.logits):
                return False
            if not self.fresh:
                raise self._refusal(challenge.name)
        scores = _known(challenge_scores(challenge, given.logits), given)
        in_train = [False] * len(challenge.reviews)  # what it was trained on is not known
        write_challenge(self.store.reopen(run.run_id), challenge, given.logits, in_train, scores)
        return True

    def _table(self, given: ForeignPredictions) -> pd.DataFrame:
        reviews = {"id": [review.id for review in self.test], "label": [review.label for review in self.test]}
        return pd.DataFrame(reviews | {name: given.logits[:, column] for column, name in enumerate(LOGITS)})

    def _refusal(self, part: str) -> ResultsError:
        return ResultsError(
            f"{self.name}: other predictions of {part} are recorded. Use another `--name`, or `--fresh` to replace them"
        )


def _kind(given: ForeignPredictions) -> str:
    return "labels" if given.only_labels else "probabilities"


def _known(scores: dict[str, float], given: ForeignPredictions) -> dict[str, float]:
    return {name: each for name, each in scores.items() if not (given.only_labels and name in NEED_PROBABILITIES)}
