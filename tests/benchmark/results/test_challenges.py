"""Challenge predictions read back: what finished runs of a plan were scored on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark.results.read import read_results
from benchmark.tracking.challenges import challenge_scores, predictions_file, write_challenge
from benchmark.tracking.records import PlanRecord, PlanRow
from tests.helpers.challenge import PAIRS, made_set
from tests.helpers.recorded import Made, eight_predictions

RIGHT = np.array([[0, 1], [1, 0], [0, 1], [1, 0]], dtype=np.float32)
MODELS = ("lstm", "rnn")


@pytest.fixture
def runs(store) -> dict[str, str]:
    """Run ids of a plan's finished runs, by experiment; `rnn` is the newest."""
    rows = tuple(PlanRow(name, name * 4, None, None, 100, "s") for name in MODELS)
    store.open_plan(PlanRecord("quick", (1,), rows, "reviews", False, 10, 8))
    metrics = {f"test/{score}": 0.75 for score in ("accuracy", "f1", "roc_auc", "log_loss")}
    metrics |= {"parameters_total": 1000.0, "parameters_trainable": 10.0, "train_seconds": 10.0}
    made = Made(metrics=metrics, predictions=eight_predictions(6))
    return {name: replace(made, experiment=name, fingerprint=name * 4).record(store).run_id for name in MODELS}


def score(store, run_id, challenge, logits=RIGHT, in_train=(False,) * 4) -> None:
    write_challenge(store.reopen(run_id), challenge, logits, in_train, challenge_scores(challenge, logits))


def challenges(store):
    return read_results(store, "quick").challenges


class TestReading:
    def test_gives_what_was_recorded_by_set_and_run(self, store, runs):
        score(store, runs["lstm"], made_set(), in_train=(True, False, True, False))
        score(store, runs["rnn"], made_set(), -RIGHT)
        score(store, runs["rnn"], made_set("another", groups=(), original=(), of_test=True))

        another, made = challenges(store)

        assert (another.name, another.of_test, another.groups, another.original) == ("another", True, None, None)
        assert set(another.logits) == {runs["rnn"]}
        assert (made.name, made.title, made.of_test) == ("made", made_set().title, False)
        assert made.fingerprint == made_set().fingerprint
        assert made.ids.tolist() == [review.id for review in made_set().reviews]
        assert made.labels.tolist() == [label for _, label in PAIRS]
        assert made.groups.tolist() == ["a", "a", "b", "b"]
        assert made.original.tolist() == [True, False, True, False]
        assert np.array_equal(made.logits[runs["lstm"]], RIGHT)
        assert np.array_equal(made.logits[runs["rnn"]], -RIGHT)
        assert made.logits[runs["lstm"]].dtype == np.float32
        assert made.in_train[runs["lstm"]].tolist() == [True, False, True, False]
        assert not made.in_train[runs["rnn"]].any()

    def test_a_plan_that_was_scored_on_nothing_has_none(self, store, runs):
        assert challenges(store) == ()

    def test_the_newest_run_says_which_reviews_a_set_has(self, store, runs):
        score(store, runs["lstm"], made_set())
        score(store, runs["rnn"], made_set(groups=("a", "b", "c", "d")))

        (found,) = challenges(store)

        assert set(found.logits) == {runs["rnn"]}
        assert found.groups.tolist() == ["a", "b", "c", "d"]


class TestARecordThatDoesNotFitIsLeftOut:
    @pytest.fixture(autouse=True)
    def scored(self, store, runs):
        for run_id in runs.values():
            score(store, run_id, made_set())

    def left(self, store) -> set[str]:
        found = challenges(store)
        return set(found[0].logits) if found else set()

    def change(self, store, run_id, changed) -> None:
        """Write the parquet file of a run anew."""
        path = store.file(store.run(run_id), predictions_file("made"), None)
        changed(pd.read_parquet(path)).to_parquet(path, index=False)

    def test_where_its_predictions_contradict_its_accuracy(self, store, runs):
        self.change(store, runs["rnn"], lambda table: table.assign(logit_positive=9.0))

        assert self.left(store) == {runs["lstm"]}

    def test_where_it_has_other_labels_or_an_id_twice(self, store, runs):
        flipped = {"logit_negative": "logit_positive", "logit_positive": "logit_negative"}
        self.change(store, runs["lstm"], lambda table: table.rename(columns=flipped).assign(label=1 - table["label"]))
        assert self.left(store) == {runs["rnn"]}

        self.change(store, runs["rnn"], lambda table: table.assign(id="same"))
        assert self.left(store) == {runs["lstm"]}

    def test_where_a_file_is_missing_or_damaged(self, store, runs):
        path = store.file(store.run(runs["lstm"]), predictions_file("made"), None)
        path.write_bytes(b"PAR1 and no more")
        assert self.left(store) == {runs["rnn"]}

        store.file(store.run(runs["rnn"]), "challenges/made.json", None).write_text("{}")
        assert self.left(store) == set()
