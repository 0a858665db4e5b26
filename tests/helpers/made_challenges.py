"""Made-up predictions of a challenge set: nothing is read and nothing trained."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.results.results import ChallengeResults
from benchmark.tracking.records import RunRecord, Status
from tests.helpers.recorded import random_logits


def made_challenge(
    runs: Sequence[RunRecord],
    accuracy: Mapping[str, float],
    *,
    name: str = "counterfactual",
    reviews: int = 400,
    paired: bool = True,
    leaked: int = 0,
    of_test: bool = False,
) -> ChallengeResults:
    """Return what the finished runs predict of a set: right as often as `accuracy` says of each experiment.

    An experiment without an accuracy was not scored. With `paired`, each two reviews are an original and its revision,
    of which the second has the other label; of `leaked` originals train had the text.
    """
    labels = np.arange(reviews) % 2
    scored = [run for run in runs if run.status is Status.FINISHED and run.experiment in accuracy]
    for run in scored:
        right = round(accuracy[run.experiment] * reviews) / reviews
        run.metrics.update({f"challenge/{name}/{score}": right for score in ("accuracy", "ece", "log_loss")})
    original = np.arange(reviews) % 2 == 0
    in_train = original & (np.arange(reviews) < 2 * leaked * paired)
    return ChallengeResults(
        name,
        f"made-up {name} reviews",
        f"fingerprint of {name}",
        of_test,
        np.array([f"{place:016x}-{name}" for place in range(reviews)], dtype=object),
        labels,
        np.array([str(place // 2) for place in range(reviews)], dtype=object) if paired else None,
        original if paired else None,
        {run.run_id: random_logits(run, labels, accuracy[run.experiment], name) for run in scored},
        {run.run_id: in_train for run in scored},
    )
