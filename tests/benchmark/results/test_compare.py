"""Two recorded runs set side by side, and the first place at which a reproduction parts from its original."""

import json
import math

import pandas as pd
import pytest

from benchmark.results.compare import Difference, compare, compare_predictions, compare_values, first_difference
from benchmark.results.read import files_of, read_run
from benchmark.results.results import RecordedRun
from benchmark.tracking.records import Status
from tests.helpers.facts import assert_names
from tests.helpers.recorded import Made, epoch, predictions

NAN = float("nan")
LOGITS = {"a+": (0.0, 1.0), "b-": (1.0, 0.0), "c+": (0.5, 0.25)}


@pytest.fixture
def recorded(store):
    """`recorded(seed=2)` is a made-up run, written to the store and read back."""

    def write_and_read(**changes) -> RecordedRun:
        with files_of(store) as files:
            return read_run(files, Made(**changes).record(store))

    return write_and_read


def by_id(logits) -> pd.DataFrame:
    return predictions(logits).set_index("id").drop(columns="tokens")


def test_everything_of_a_run_is_read_back(recorded):
    run = recorded()

    assert run.record.status is Status.FINISHED
    assert run.epochs == 2
    assert run.histories["val/loss"] == {1: 0.8, 2: 0.4}
    assert "best_epoch" not in run.histories
    assert run.environment == {"processor": "a processor", "threads": "2", "torch": "2.13.0"}
    assert list(run.predictions.index) == ["a+", "b-", "c+"]
    assert list(run.predictions.columns) == ["label", "logit_negative", "logit_positive", "tokens"]
    assert run.settings == Made().settings

    nested = recorded(environment={"processor": {"name": "x", "cores": 2}, "git": None})
    assert nested.environment == {"processor.name": "x", "processor.cores": "2", "git": "null"}


def test_files_that_are_missing_or_damaged_count_as_empty(recorded):
    run = recorded(epochs=[], metrics={}, environment=None, predictions=None, status=Status.FAILED)
    assert (run.epochs, run.histories, run.environment, run.predictions) == (0, {}, {}, None)

    for content in (b"no json", b"[1]", b"\xff"):
        assert recorded(environment=None, files={"environment.json": content}).environment == {}
    assert recorded(predictions=None, files={"predictions.parquet": b"no parquet"}).predictions is None
    for columns in (["id", "label"], ["id", "logit_negative"], ["label", "logit_negative"]):
        assert recorded(predictions=predictions(LOGITS)[columns]).predictions is None


@pytest.mark.parametrize(
    ("a", "b", "equal", "different", "missing"),
    [
        (  # in the first one's order
            {"z": "1", "y": "2", "same": "3"},
            {"y": "4", "same": "3", "new": "5"},
            1,
            (Difference("z", "1", None), Difference("y", "2", "4"), Difference("new", None, "5")),
            (),
        ),
        ({"x": 0.1 + 0.2, "nan": NAN}, {"x": 0.3, "nan": NAN}, 1, (Difference("x", 0.1 + 0.2, 0.3),), ()),
        ({"half": NAN}, {"half": 0.5}, 0, (Difference("half", NAN, 0.5),), ()),
        ({}, {"x": "1"}, 0, (), ("A",)),
        ({"x": "1"}, {}, 0, (), ("B",)),
        ({}, {}, 0, (), ("A", "B")),
    ],
)
def test_equal_values_are_counted_and_others_named(a, b, equal, different, missing):
    section = compare_values(a, b)

    assert (section.equal, section.different, section.missing) == (equal, different, missing)


def test_numbers_have_a_change():
    assert Difference("x", 1.0, 3.5).change == 2.5
    assert Difference("x", "1", "2").change is None
    assert Difference("x", 1.0, None).change is None


BROKEN = {**LOGITS, "a+": (NAN, math.inf)}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (LOGITS, dict(reversed(LOGITS.items())), {"both": 3, "labels_differ": 0, "largest_logit_difference": 0.0}),
        (  # a+ now wrong, c+ now right
            LOGITS,
            {"a+": (1.0, 0.0), "b-": (1.0, 0.0), "c+": (0.0, 2.25)},
            {"labels_differ": 2, "right_only_a": 1, "right_only_b": 1, "largest_logit_difference": 2.0},
        ),
        (
            LOGITS,
            {"x+": (9.0, 0.0), "c+": (0.5, 0.25), "a+": (0.0, 1.5)},
            {"both": 2, "only_a": 1, "only_b": 1, "largest_logit_difference": 0.5},
        ),
        (LOGITS, {"x+": (9.0, 0.0)}, {"both": 0, "only_a": 3, "only_b": 1, "largest_logit_difference": None}),
        (BROKEN, BROKEN, {"largest_logit_difference": 0.0, "first": None}),
    ],
)
def test_predictions_are_compared_by_id(a, b, expected):
    found = compare_predictions(by_id(a), by_id(b))

    assert {name: getattr(found, name) for name in expected} == expected


def test_predictions_without_numbers_or_with_other_classes_or_missing_are_named():
    some = by_id(LOGITS)

    assert math.isnan(compare_predictions(by_id(BROKEN), some).largest_logit_difference)
    assert compare_predictions(some, some.assign(logit_neutral=0.0)).largest_logit_difference is None
    for a, b, missing in ((None, some, ("A",)), (some, None, ("B",)), (None, None, ("A", "B"))):
        assert compare_predictions(a, b).missing == missing


def test_a_run_equals_another_seed_in_everything_but_bookkeeping(recorded):
    sections = compare(recorded(seed=1), recorded(seed=2)).sections

    counts = {"settings": 2, "data": 5, "environment": 3, "metrics": 3, "epochs": 4, "cost": 2}
    assert {kind: (part.equal, part.different) for kind, part in sections.items()} == {
        kind: (count, ()) for kind, count in counts.items()
    }


def test_each_difference_stands_in_its_section(recorded):
    b = recorded(
        settings={"model": {"name": "rnn"}, "training": {"epochs": 2}},
        tags=Made().tags | {"precision": "bf16", "hardware": "other", "torch": "other"},
        epochs=[epoch(1), epoch(2, val_loss=0.5), epoch(3)],
        metrics=Made().metrics | {"test/accuracy": 0.5, "train_seconds": 46.0, "system/cpu": 1.0},
        environment={**Made().environment, "threads": "4"},
    )

    found = {kind: section.different for kind, section in compare(recorded(), b).sections.items()}
    epochs = found.pop("epochs")

    assert found == {
        "settings": (Difference("model.name", "lstm", "rnn"),),
        "data": (Difference("precision", "fp32", "bf16"),),
        "environment": (Difference("threads", "2", "4"),),
        "metrics": (Difference("test/accuracy", 0.75, 0.5),),
        "cost": (Difference("train_seconds", 23.0, 46.0),),
    }
    assert Difference("val/loss", 0.4, 0.5, epoch=2) in epochs
    assert Difference("train/loss", None, 0.7 / 3, epoch=3) in epochs
    assert "train/seconds" not in [difference.name for difference in epochs]


def test_the_comparison_is_json_whatever_the_numbers(recorded):
    a = recorded(metrics={"test/accuracy": NAN})
    b = recorded(metrics={"test/accuracy": 0.5}, environment=None, predictions=None)

    content = json.loads(json.dumps(compare(a, b).to_json(), allow_nan=False))

    assert content["metrics"]["different"]["test/accuracy"] == {"a": "nan", "b": 0.5, "difference": "nan"}
    assert content["environment"]["missing_in"] == ["B"]
    assert content["predictions"]["missing_in"] == ["B"]


def first(a: RecordedRun, b: RecordedRun) -> Difference | None:
    return first_difference(compare(a, b))


def test_equal_runs_have_no_first_difference(recorded):
    a, b = recorded(), recorded(metrics=Made().metrics | {"train_seconds": 99.0}, environment={"threads": "8"})

    assert first(a, b) is None


def test_a_score_that_only_a_newer_version_records_is_no_difference(recorded):
    assert first(recorded(), recorded(metrics=Made().metrics | {"test/balanced_accuracy": 0.5})) is None


LIFE = [
    ({"tags": Made().tags | {"corpus_fingerprint": "d" * 64}}, "corpus_fingerprint"),
    ({"tags": Made().tags | {"split_fingerprint": "d" * 64}}, "split_fingerprint"),
    ({"tags": Made().tags | {"precision": "bf16"}}, "precision"),
    ({"fingerprint": "0" * 16}, "fingerprint"),
    ({"epochs": [epoch(1, train_loss=0.1), epoch(2)]}, "train/loss of epoch 1"),
    ({"epochs": [epoch(1, val_loss=0.1), epoch(2)]}, "val/loss of epoch 1"),
    ({"epochs": [epoch(1, val_accuracy=0.1), epoch(2)]}, "val/accuracy of epoch 1"),
    ({"epochs": [epoch(1), epoch(2, train_loss=0.1)]}, "train/loss of epoch 2"),
    ({"epochs": [epoch(1), epoch(2), epoch(3)]}, "train/loss of epoch 3"),
    ({"metrics": Made().metrics | {"best_epoch": 1.0}}, "best_epoch"),
    ({"metrics": Made().metrics | {"test/accuracy": 0.5}}, "test/accuracy"),
    ({"metrics": Made().metrics | {"test/log_loss": 0.25}}, "test/log_loss"),
    ({"predictions": None}, "predictions.parquet"),
    ({"predictions": predictions({**LOGITS, "d-": (0.0, 0.0)})}, "test reviews"),
    ({"predictions": predictions(LOGITS).rename(columns={"logit_negative": "logit_bad"})}, "logits"),
    ({"predictions": predictions({**LOGITS, "b-": (1.0, 1e-9)})}, "logits of test review b-"),
]


def test_of_several_differences_the_first_in_the_runs_life_is_reported(recorded):
    changes, original = {}, recorded()
    for change, where in reversed(LIFE):
        changes = changes | change
        assert str(first(original, recorded(**change))).startswith(f"{where}: ")
        assert str(first(original, recorded(**changes))).startswith(f"{where}: ")


CHANGED = predictions({"c+": (9.0, 9.0), "b-": (9.0, 9.0), "a+": LOGITS["a+"]})


@pytest.mark.parametrize(
    ("first_run", "second_run", "facts"),
    [
        (  # to the last digit
            {"epochs": [epoch(1, val_loss=0.1 + 0.2)]},
            {"epochs": [epoch(1, val_loss=0.3)]},
            ["val/loss", "epoch 1", "0.30000000000000004, 0.3"],
        ),
        ({}, {"predictions": CHANGED}, ["logits", "b-", "(1.0, 0.0), (9.0, 9.0)"]),  # the original's first review
        ({}, {"epochs": [{}, epoch(2)]}, ["train/loss", "epoch 1", "0.7"]),
        ({}, {"epochs": []}, ["epochs", "missing"]),
        ({"predictions": None}, {"predictions": None}, ["predictions.parquet"]),  # not called equal
    ],
)
def test_the_first_difference_is_named_with_both_values(recorded, first_run, second_run, facts):
    assert_names(str(first(recorded(**first_run), recorded(**second_run))), *facts)
