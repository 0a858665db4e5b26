"""`compare`, called as a user calls it, on runs with made-up results."""

import json
import re

import pytest

from benchmark.records import Status
from tests.helpers.recorded import Made, epoch, predictions


@pytest.fixture
def compared(store, call):
    """What `compare` prints of a made-up run and another one with these changes."""

    def run(*options: str, **changes) -> str:
        a, b = Made().record(store), Made(**changes).record(store)
        status, out, err = call("compare", a.run_id, b.run_id, *options)
        assert (status, err) == (0, "")
        return out

    return run


def cells(text: str, name: str) -> list[str]:
    """What stands in the row of this name: A, B and the difference."""
    return next(re.split(r"\s{2,}", line.strip())[1:] for line in text.splitlines() if line.startswith(f"  {name}  "))


def titles(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if re.match(r"\w+: ", line)]


def test_equal_runs_are_told_in_a_line_for_each_kind(compared):
    assert titles(compared()) == [
        "settings: all 2 equal",
        "data: all 5 equal",
        "environment: all 3 equal",
        "metrics: all 3 equal",
        "epochs: 2 in A, 2 in B; all 4 equal",
        "cost: all 2 equal",
        "predictions: 3 test reviews in both, all with the same predicted label",
    ]


def test_equal_logits_are_said_to_be(compared):
    assert "  all logits are equal\n" in compared()


def test_the_heading_says_which_run_is_which(compared):
    lines = compared(experiment="rnn", seed=7, status=Status.FAILED, error="OSError: disk full").splitlines()

    assert re.fullmatch(r"A  lstm seed 1  [0-9a-f]{32}  finished", lines[0])
    assert re.fullmatch(r"B  rnn seed 7   [0-9a-f]{32}  failed: OSError: disk full", lines[1])


def test_only_what_differs_is_shown(compared):
    out = compared(
        settings={"model": {"name": "lstm"}, "training": {"epochs": 3, "patience": 2}},
        metrics=Made().metrics | {"test/accuracy": 0.8125, "train_seconds": 46.0},
        epochs=[epoch(1), epoch(2, val_loss=0.5)],
    )

    assert titles(out)[0] == "settings: 1 equal, 2 different"
    assert cells(out, "training.epochs") == ["2", "3"]
    assert cells(out, "training.patience") == ["-", "2"]
    assert cells(out, "test/accuracy") == ["0.75", "0.8125", "+0.0625"]
    assert cells(out, "val/loss, from epoch 2") == ["0.4", "0.5", "+0.1"]
    assert "model.name" not in out
    assert "test/log_loss" not in out


def test_seconds_and_memory_stand_apart_from_the_scores(compared):
    out = compared(metrics=Made().metrics | {"test/accuracy": 0.5, "train_seconds": 46.0, "peak_memory_mib": 400.5})

    scores, cost = out.index("metrics: "), out.index("cost: ")
    assert scores < out.index("test/accuracy") < cost < out.index("train_seconds") < out.index("predictions: ")
    assert cells(out, "peak_memory_mib") == ["500.5", "400.5", "-100"]


def test_mlflows_samples_of_the_machine_are_left_out(compared):
    assert "system/" not in compared(metrics=Made().metrics | {"system/cpu_utilization_percentage": 50.0})


def test_other_labels_are_counted(compared):
    out = compared(predictions=predictions({"a+": (1.0, 0.0), "b-": (1.0, 0.0), "c+": (0.5, 0.25)}))

    assert titles(out)[-1] == (
        "predictions: 3 test reviews in both, 1 with another predicted label: A alone is right on 1, B alone on 0"
    )
    assert out.endswith("  largest logit difference 1\n")


def test_other_reviews_are_told_in_words(compared):
    out = compared(predictions=predictions({"a+": (0.0, 1.0), "x-": (1.0, 0.0)}))

    assert "predictions: 1 test reviews in both, all with the same predicted label\n" in out
    assert "  the test parts differ: 2 reviews only in A, 1 only in B\n" in out


def test_no_review_in_both_is_told_in_words(compared):
    out = compared(predictions=predictions({"x-": (1.0, 0.0)}))

    assert "predictions: 0 test reviews in both, so there is nothing to compare\n" in out


def test_a_run_that_failed_early_is_compared_with_what_there_is(compared):
    out = compared(
        epochs=[], metrics={}, environment=None, predictions=None, status=Status.FAILED, error="it fell over"
    )

    assert titles(out)[2:] == [
        "environment: B has none",
        "metrics: B has none",
        "epochs: B has none",
        "cost: B has none",
        "predictions: B has no predictions.parquet that can be read",
    ]


def test_two_runs_without_anything_are_compared(store, call):
    empty = Made(epochs=[], metrics={}, environment=None, predictions=None, status=Status.KILLED)
    a, b = empty.record(store), empty.record(store)

    status, out, _ = call("compare", a.run_id, b.run_id)

    assert status == 0
    assert "epochs: neither has any" in out
    assert "predictions: neither run has a predictions.parquet that can be read" in out


def test_long_values_are_cut_to_where_they_differ(compared):
    out = compared(tags=Made().tags | {"corpus": "made-up reviews", "split_fingerprint": "5" * 63 + "6"})

    a, b = cells(out, "split_fingerprint")
    assert a != b
    assert max(len(a), len(b)) <= 26
    assert a.startswith("…")


def test_a_row_is_no_wider_than_most_terminals(compared):
    out = compared(
        environment={"processor": "x" * 80, "threads": "4", "torch": "y" * 80},
        settings={"model": {"name": "lstm", "head_learning_rate_scale": 10.0}, "training": {"epochs": 2}},
    )

    assert max(map(len, out.splitlines())) <= 120


def test_the_beginning_of_an_id_is_enough(store, call):
    a, b = Made().record(store), Made().record(store)

    assert call("compare", a.run_id[:12], b.run_id[:12]) == call("compare", a.run_id, b.run_id)


def test_a_run_that_is_not_there_is_wrong_input(store, call):
    run = Made().record(store)

    for arguments in ((run.run_id, "nobody"), ("nobody", run.run_id)):
        status, out, err = call("compare", *arguments)
        assert (status, out) == (2, "")
        assert err.startswith("error: no runs have an id that begins with 'nobody'; ")
        assert err.count("\n") == 1


def test_a_store_that_is_not_there_is_wrong_input(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)

    status, out, err = call("compare", "a", "b")

    assert (status, out) == (2, "")
    assert err == ("error: there is no store sqlite:///mlflow.db yet; `python -m benchmark run all` makes it\n")
    assert not (tmp_path / "mlflow.db").exists()


def test_as_json_it_is_one_object_that_says_the_same(compared):
    out = compared(
        "--json",
        seed=2,
        settings={"model": {"name": "rnn"}, "training": {"epochs": 2}},
        metrics=Made().metrics | {"test/accuracy": 0.8125},
        epochs=[epoch(1), epoch(2), epoch(3)],
    )

    content = json.loads(out)
    assert [content["runs"][side]["seed"] for side in ("a", "b")] == [1, 2]
    assert [content["runs"][side]["epochs"] for side in ("a", "b")] == [2, 3]
    assert content["settings"] == {
        "equal": 1,
        "different": {"model.name": {"a": "lstm", "b": "rnn"}},
        "missing_in": [],
    }
    assert content["metrics"]["different"] == {"test/accuracy": {"a": 0.75, "b": 0.8125, "difference": 0.0625}}
    assert content["epochs"]["different"]["val/accuracy"] == {"epoch": 3, "a": None, "b": 0.53}
    assert content["predictions"]["largest_logit_difference"] == 0.0
