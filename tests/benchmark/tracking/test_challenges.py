"""What a run predicts of a challenge set: written, found again, replaced."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from benchmark.results.challenges import recorded_fingerprints
from benchmark.results.read import files_of
from benchmark.tracking.challenges import challenge_scores, write_challenge
from benchmark.tracking.records import Status
from tests.helpers.challenge import PAIRS, made_set
from tests.helpers.kept import start

LOGITS = np.array([[0.0, 1.0], [2.0, 1.5], [1.0, 0.0], [0.5, 0.25]], dtype=np.float32)  # the third is wrong
IN_TRAIN = [True, False, False, False]


@pytest.fixture
def run_id(store, parent) -> str:
    tracker = start(store, parent)
    tracker.finish(Status.FINISHED)
    return tracker.run_id


def write(store, run_id, challenge, logits=LOGITS) -> None:
    write_challenge(store.reopen(run_id), challenge, logits, IN_TRAIN, challenge_scores(challenge, logits))


def recorded(store, run_id) -> dict[str, str]:
    with files_of(store) as files:
        return recorded_fingerprints(files, store.run(run_id))


class TestScores:
    def test_they_are_what_scikit_learn_computes_and_the_share_of_groups_all_right(self):
        found, labels = challenge_scores(made_set(), LOGITS), [label for _, label in PAIRS]
        positive = 1 / (1 + np.exp(LOGITS[:, 0].astype(float) - LOGITS[:, 1]))

        assert found["accuracy"] == metrics.accuracy_score(labels, positive > 0.5) == 0.75
        assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, positive))
        assert found["consistency"] == 0.5
        assert 0 < found["ece"] < 1

    def test_a_set_without_groups_has_no_consistency(self):
        assert set(challenge_scores(made_set(groups=(), original=()), LOGITS)) == {"accuracy", "log_loss", "ece"}


class TestRecord:
    def test_rows_description_and_metrics_are_with_the_run(self, store, client, run_id, tmp_path):
        write(store, run_id, made_set())
        files = Path(client.download_artifacts(run_id, "challenges", str(tmp_path)))
        table = pd.read_parquet(files / "made.parquet")

        assert table["id"].tolist() == [review.id for review in made_set().reviews]
        assert np.array_equal(table[["logit_negative", "logit_positive"]].to_numpy(), LOGITS)
        assert table["in_train"].tolist() == IN_TRAIN
        assert table["group"].tolist() == ["a", "a", "b", "b"]
        assert table["original"].tolist() == [True, False, True, False]
        assert json.loads((files / "made.json").read_text()) == {
            "name": "made",
            "title": "made, made by hand",
            "fingerprint": made_set().fingerprint,
            "of_test": False,
        }
        assert {key: value for key, value in store.run(run_id).metrics.items() if key.startswith("challenge/")} == {
            f"challenge/made/{score}": value for score, value in challenge_scores(made_set(), LOGITS).items()
        }

    def test_a_set_without_groups_has_no_such_columns(self, store, client, run_id, tmp_path):
        write(store, run_id, made_set(groups=(), original=()))
        table = pd.read_parquet(client.download_artifacts(run_id, "challenges/made.parquet", str(tmp_path)))

        assert list(table) == ["id", "label", "logit_negative", "logit_positive", "in_train"]

    def test_a_changed_set_replaces_it(self, store, run_id):
        old, changed = made_set(), made_set(groups=("a", "b", "c", "d"))
        write(store, run_id, old)
        assert recorded(store, run_id) == {"made": old.fingerprint}

        write(store, run_id, changed, -LOGITS)
        figures = store.run(run_id).metrics

        assert recorded(store, run_id) == {"made": changed.fingerprint}
        assert (figures["challenge/made/accuracy"], figures["challenge/made/consistency"]) == (0.25, 0.25)

    def test_files_without_their_metrics_count_as_missing(self, store, run_id, monkeypatch):
        write(store, run_id, made_set())
        with monkeypatch.context() as kill:
            kill.setattr("benchmark.tracking.mlflow_tracker.MlflowTracker.log_metrics", lambda *_, **__: None)
            write(store, run_id, made_set("first"))
            write(store, run_id, made_set(), -LOGITS)

        assert recorded(store, run_id) == {}
