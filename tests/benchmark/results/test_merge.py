"""`report --from A --from B`: exports of one profile become one table, or it is said why they cannot."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import benchmark
from benchmark.results.export import write_export
from benchmark.results.external import test_part as part_of
from benchmark.results.read import read_results
from benchmark.tracking import tags
from benchmark.tracking.records import EXTERNAL, PlanRecord, PlanRow
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded import Made, eight_predictions, epoch

METRICS = dict.fromkeys(("test/f1", "test/roc_auc", "test/log_loss"), 0.5) | {"best_epoch": 1.0}
METRICS |= {"parameters_total": 10.0, "parameters_trainable": 10.0, "train_seconds": 10.0}
PLAN = PlanRecord("quick", (1,), (), "reviews", False, 10, 8)


def made(name: str, seed: int = 1, right: int = 6, predictions=None, **rest) -> Made:
    table, metrics = eight_predictions(right), METRICS | {"test/accuracy": right / 8}
    table = table if predictions is None else predictions
    return Made(name, seed, name * 4, metrics=metrics, predictions=table, epochs=[epoch(1)], **rest)


@pytest.fixture
def write(empty_database, tmp_path, monkeypatch):
    """`write("a", made("lstm"))` exports a store of its own with a plan of these runs."""
    monkeypatch.chdir(tmp_path)

    def export(name: str, *runs: Made, size: int = 100, **plan) -> Path:
        (tmp_path / f"{name}-store").mkdir()
        database = shutil.copy(empty_database, tmp_path / f"{name}-store" / "mlflow.db")
        store = TrackingStore(f"sqlite:///{database}", tmp_path / f"{name}-store")
        marks = {run.experiment: run.fingerprint for run in runs if run.kind != EXTERNAL}
        rows = tuple(PlanRow(each, mark, None, None, size, "s") for each, mark in marks.items())
        seeds = tuple(dict.fromkeys(run.seed for run in runs if run.kind != EXTERNAL))
        record = replace(PLAN, **{"rows": rows, "seeds": seeds, **plan})
        store.open_plan(record, name)
        for run in runs:
            replace(run, profile=record.profile).record(store)
        write_export(store, read_results(store, record.profile), tmp_path / name)
        return tmp_path / name

    return export


def report(call, *folders: str) -> dict:
    status, out, err = call("report", *(word for each in folders for word in ("--from", each)), "--format", "json")
    assert status == 0, err
    return json.loads(out)


def refusal(call, *folders: str) -> str:
    status, out, err = call("report", *(word for each in folders for word in ("--from", each)))
    assert (status, out) == (2, "")
    (line,) = error_lines(err)
    return line


class TestMerged:
    def test_other_models_and_seeds_are_joined_in_their_order(self, write, call):
        write("a", made("lstm", 2, right=7), made("rnn", 2))
        write("b", made("gru", 1), made("lstm", 1, right=5))
        rows = report(call, "a", "b")["rows"]

        assert [row["model"] for row in rows] == ["lstm", "rnn", "gru"]
        assert rows[0]["runs"] == ["FINISHED", "FINISHED"]
        assert rows[0]["test_accuracy_by_seed"] == [7 / 8, 5 / 8]
        assert [row["seeds"] for row in rows] == [[2, 1], [2], [1]]

    def test_train_sizes_are_rows_of_their_own(self, write, call):
        write("a", made("lstm"))
        write("b", replace(made("lstm"), fingerprint="other" * 3), size=200)

        assert [row["train_size"] for row in report(call, "a", "b")["rows"]] == [100, 200]

    def test_the_same_export_twice_is_the_export(self, write, call):
        write("a", made("lstm", 1), made("lstm", 2), made("rnn", 1))

        assert report(call, "a", "a") == report(call, "a")

    def test_reviews_of_another_order_are_brought_into_one(self, write, call):
        write("a", made("lstm", right=7))
        write("b", made("rnn", right=5, predictions=eight_predictions(5).iloc[::-1]))

        assert [row["test_accuracy"]["mean"] for row in report(call, "a", "b")["rows"]] == [7 / 8, 5 / 8]

    def test_another_system_stands_once_and_last(self, write, call):
        table = eight_predictions(7)
        labels = {tags.TEST_PART: part_of(table["id"], table["label"])}
        other = made("gpt-x", 0, 7, kind=EXTERNAL, tags=labels)
        write("a", made("lstm"), other)
        write("b", made("rnn"), other, size=200)

        assert [(row["model"], row["train_size"]) for row in report(call, "a", "b")["rows"]][:2] == [
            ("lstm", 100),
            ("rnn", 200),
        ]
        assert len(report(call, "a", "b")["rows"]) == 3

    def test_the_page_and_the_front_door_read_all_folders(self, write, call, tmp_path):
        a, b = write("a", made("lstm", right=7)), write("b", made("rnn", right=5))

        assert call("report", "--from", "a", "--from", "b", "--output", "page.html")[0] == 0
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        results = benchmark.load_results(export=[a, b])
        assert "lstm" in page
        assert results.predictions("rnn")["id"].tolist() == results.predictions("lstm")["id"].tolist()
        assert call("report", "--from", "a", "--from", "b", "--format", "csv")[1].count("\n") == 3


class TestRefused:
    @pytest.mark.parametrize("plan", [{"profile": "full"}, {"corpus": "other reviews"}, {"test_size": 9}])
    def test_another_profile_or_other_reviews(self, write, call, plan):
        write("a", made("lstm"))
        write("b", made("rnn"), **plan)

        assert_names(refusal(call, "a", "b"), "b", *plan, *plan.values())

    def test_another_test_part(self, write, call):
        write("a", made("lstm"))
        write("b", made("rnn", predictions=eight_predictions(6).assign(id=[f"s{place}" for place in range(8)])))

        assert_names(refusal(call, "a", "b"), "a", "b", "test part")

    def test_other_settings_of_one_model(self, write, call):
        write("a", made("lstm"))
        write("b", replace(made("lstm", 2), fingerprint="other" * 3))

        assert_names(refusal(call, "a", "b"), "lstm", "other" * 3)

    def test_another_result_of_one_run(self, write, call):
        write("a", made("lstm", right=7))
        write("b", made("lstm", right=5))

        assert_names(refusal(call, "a", "b"), "lstm seed 1", "test/accuracy", "0.875", "0.625")

    def test_a_damaged_folder(self, write, call):
        write("a", made("lstm"))
        shutil.copytree("a", "b")
        (Path("b") / "runs.json").write_text("[]")

        assert_names(refusal(call, "a", "b"), "b/runs.json")
