"""`compare`, called as a user calls it, on runs with made-up results."""

import json
import re

import pytest

from benchmark.tracking.records import Status
from tests.helpers.facts import assert_names, error_lines
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
    return next(re.split(r"\s{2,}", line.strip())[1:] for line in text.splitlines() if line.startswith(f"  {name}"))


def title(text: str, kind: str) -> str:
    """The line that a kind of difference begins with."""
    (found,) = [line.strip() for line in text.splitlines() if line.startswith(f"{kind}: ")]
    return found


def test_equal_runs_have_a_line_for_each_kind(compared):
    out = compared()

    kinds = {"settings": 2, "data": 5, "environment": 3, "metrics": 3, "epochs": 4, "cost": 2, "predictions": 3}
    assert re.findall(r"^(\w+): ", out, re.MULTILINE) == list(kinds)
    for kind, count in kinds.items():
        assert_names(title(out, kind), count)
        assert "different" not in title(out, kind)
    assert_names(title(out, "epochs"), "2 in A", "2 in B")


def test_the_heading_says_which_run_is_which(compared):
    lines = compared(experiment="rnn", seed=7, status=Status.FAILED, error="OSError: disk full").splitlines()

    assert re.fullmatch(r"A +lstm seed 1 +[0-9a-f]{32} +finished", lines[0])
    assert re.fullmatch(r"B +rnn seed 7 +[0-9a-f]{32} +failed: OSError: disk full", lines[1])


def test_only_what_differs_is_shown(compared):
    out = compared(
        settings={"model": {"name": "lstm"}, "training": {"epochs": 3, "patience": 2}},
        metrics=Made().metrics | {"test/accuracy": 0.8125, "train_seconds": 46.0},
        epochs=[epoch(1), epoch(2, val_loss=0.5)],
    )

    assert re.findall(r"\d+", title(out, "settings")) == ["1", "2"]
    assert cells(out, "training.epochs") == ["2", "3"]
    assert cells(out, "training.patience") == ["-", "2"]
    assert cells(out, "test/accuracy") == ["0.75", "0.8125", "+0.0625"]
    assert cells(out, "val/loss") == ["0.4", "0.5", "+0.1"]
    assert "model.name" not in out
    assert "test/log_loss" not in out


@pytest.mark.parametrize(
    ("logits", "counts"),
    [  # reviews in both; of one run alone; other labels with who is right; the largest difference
        ({"a+": (1.0, 0.0), "b-": (1.0, 0.0), "c+": (0.5, 0.25)}, [["3"], ["1", "1", "0"], ["1"]]),
        ({"a+": (0.0, 1.0), "x-": (1.0, 0.0)}, [["1"], ["2", "1"], ["0", "0", "0"], ["0"]]),
        ({"x-": (1.0, 0.0)}, [["0"], ["3", "1"]]),
    ],
)
def test_other_labels_and_reviews_are_counted(compared, logits, counts):
    _, _, lines = compared(predictions=predictions(logits)).partition("predictions: ")

    assert [re.findall(r"\d+", line) for line in lines.splitlines()] == counts


def test_a_run_that_failed_early_is_compared_with_what_there_is(store, call):
    early = Made(epochs=[], metrics={}, environment=None, predictions=None, status=Status.FAILED, error="it fell")
    whole, a, b = Made().record(store), early.record(store), early.record(store)

    _, with_a_whole_one, _ = call("compare", whole.run_id, a.run_id)
    status, with_another, _ = call("compare", a.run_id, b.run_id)

    assert status == 0
    for kind in ("environment", "metrics", "epochs", "cost", "predictions"):
        assert re.search(r"\bB\b", title(with_a_whole_one, kind))
        assert "A and B" in title(with_another, kind)
    assert_names(title(with_another, "predictions"), "predictions.parquet")


def test_long_values_are_cut_to_where_they_differ_and_rows_fit_terminals(compared):
    out = compared(
        tags=Made().tags | {"corpus": "made-up reviews", "split_fingerprint": "5" * 63 + "6"},
        environment={"processor": "x" * 80, "threads": "4", "torch": "y" * 80},
        settings={"model": {"name": "lstm", "head_learning_rate_scale": 10.0}, "training": {"epochs": 2}},
    )

    a, b = cells(out, "split_fingerprint")
    assert a != b
    assert max(len(a), len(b)) <= 26
    assert a.startswith("…")
    assert max(map(len, out.splitlines())) <= 120


def test_the_beginning_of_an_id_is_enough_and_an_unknown_one_or_no_store_is_wrong_input(store, call, tmp_path):
    a, b = Made().record(store), Made().record(store)

    assert call("compare", a.run_id[:12], b.run_id[:12]) == call("compare", a.run_id, b.run_id)
    status, out, err = call("compare", a.run_id, "nobody")
    assert (status, out) == (2, "")
    assert_names(error_lines(err)[0], "'nobody'")

    status, out, err = call("compare", "a", "b", "--tracking-uri", "sqlite:///other.db")
    assert (status, out) == (2, "")
    assert_names(error_lines(err)[0], "sqlite:///other.db", "`python -m benchmark run all`")
    assert not (tmp_path / "other.db").exists()


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
