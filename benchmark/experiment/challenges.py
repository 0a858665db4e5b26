"""Score a recorded model on challenge sets, which choose nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from benchmark.inference.predict import load_classifier
from benchmark.results.challenges import recorded_fingerprints
from benchmark.results.read import files_of
from benchmark.tracking.challenges import challenge_scores, write_challenge
from benchmark.tracking.records import RunRecord
from benchmark.tracking.store import TrackingStore
from benchmark.training.progress import Progress
from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.challenges import ChallengeSet, in_texts, load_challenges
from data_pipeline.corpus import Corpus
from data_pipeline.sources import Place


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge set of M reviews for the runs of one split; `in_train` (M,): train or val has the same text."""

    set: ChallengeSet
    in_train: tuple[bool, ...]


def challenges_of(configs: Mapping[str, ChallengeConfig], place: Place, corpus: Corpus) -> tuple[Challenge, ...]:
    """Read the sets and look for their texts in train and val.

    Raises:
        DataError: a set cannot be read.
    """
    seen = (*corpus.train, *corpus.val)
    sets = load_challenges(configs, place, corpus.test)
    return tuple(Challenge(each, in_texts(each, () if each.of_test else seen)) for each in sets)


def score_run(
    store: TrackingStore, run: RunRecord, challenges: Sequence[Challenge], device: torch.device, progress: Progress
) -> dict[str, float]:
    """Score the run's logged model on the sets that it was not scored on yet, and record what it predicts.

    Returns:
        The accuracy by name of each set that was missing.

    Raises:
        TrackingError: the run has no model, or the model cannot be fetched.
        PredictionError: the model's files are damaged or were changed.
    """
    with files_of(store) as files:
        recorded = recorded_fingerprints(files, run)
    missing = [each for each in challenges if recorded.get(each.set.name) != each.set.fingerprint]
    if not missing:
        return {}
    classifier, tracker, found = load_classifier(store, run, device), store.reopen(run.run_id), {}
    progress.start("challenge sets", sum(len(each.set.reviews) for each in missing))
    for each in missing:
        logits = classifier.logits([review.text for review in each.set.reviews], on_batch=progress.advance)
        scores = challenge_scores(each.set, logits)
        write_challenge(tracker, each.set, logits, each.in_train, scores)
        found[each.set.name] = scores["accuracy"]
    progress.finish()
    return found
