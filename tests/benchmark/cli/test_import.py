"""`import FILE`: another system's predictions join the plan's models; `export FILE --on` writes what it labels."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from statsmodels.stats.contingency_tables import mcnemar

from benchmark.config.load import load_suite
from benchmark.results.read import read_results
from benchmark.tracking.records import EXTERNAL, Status
from data_pipeline.sources import Place, read_source
from tests.helpers.external import record_models
from tests.helpers.facts import assert_names, error_lines

SETS = {
    "shifted": {"source": "table", "path": "shifted.csv"},
    "typos": {"source": "perturbation", "change": "typos"},
}


@pytest.fixture
def test_part(store, tmp_path, write_config):
    """The test part of a recorded plan of two models, with two challenge sets."""
    shifted = {"text": ["fine", "dull", "fine too", "dull too"], "label": [1, 0, 1, 0], "group": list("aabb")}
    pd.DataFrame(shifted).to_csv(tmp_path / "shifted.csv", index=False)
    config = write_config(challenges=SETS, profiles={"quick": {"experiments": ["rnn", "lstm"]}})
    return record_models(store, config)


@pytest.fixture
def predict(test_part, tmp_path):
    """`predict("x.csv", wrong=5)` writes predictions of the test part that err on the first reviews."""

    def write(name: str, wrong: int = 5, **columns) -> None:
        labels = [1 - each.label if place < wrong else each.label for place, each in enumerate(test_part)]
        chances = {"probability": [0.9 if label else 0.1 for label in labels]}
        pd.DataFrame({"id": [each.id for each in test_part], **(columns or chances)}).to_csv(name, index=False)

    return write


def imported(store) -> list:
    return [run for run in store.runs("quick", EXTERNAL) if run.status is Status.FINISHED]


def test_logistic_regression_of_scikit_learn_stands_in_the_table(store, test_part, call, tmp_path):
    config = load_suite(tmp_path / "experiments.yaml").data[0]
    train = read_source(config, Place()).split(config).train
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model.fit([review.text for review in train], [review.label for review in train])
    assert call("export", "todo.csv", "--on", "test")[0] == 0
    todo = pd.read_csv("todo.csv")
    assert list(todo) == ["id", "text"]
    todo.assign(probability=model.predict_proba(todo["text"])[:, 1]).to_csv("done.csv", index=False)

    status, out, err = call("import", "done.csv", "--name", "tfidf", "--on", "test")
    assert (status, out, err.count("\n")) == (0, "", 1)
    report = json.loads(call("report", "--format", "json")[1])
    row = next(row for row in report["rows"] if row["external"])
    labels = np.array([review.label for review in test_part])
    right = model.predict([review.text for review in test_part]) == labels
    assert row["test_accuracy"]["mean"] == pytest.approx(right.mean())
    assert row["rank"]

    results = read_results(store, "quick")
    (found,) = report["comparisons"]
    for other in ("rnn", "lstm"):
        plan_row = next(each for each in results.plan.rows if each.experiment == other)
        (theirs,) = results.correct(results.finished(plan_row))
        theirs = pd.Series(theirs, results.ids).loc[[review.id for review in test_part]].to_numpy()
        table = [[0, (right & ~theirs).sum()], [(~right & theirs).sum(), 0]]
        pair = next(each for each in found["pairs"] if {each["first"], each["second"]} == {"tfidf (external)", other})
        assert pair["p"] == pytest.approx(mcnemar(table, exact=True).pvalue)
        letters = {each["model"]: set(each["rank"]) for each in report["rows"]}
        assert bool(letters["tfidf (external)"] & letters[other]) == (not pair["separated"])


def test_the_run_says_where_it_comes_from(store, predict, call):
    predict("x.csv")
    call("import", "x.csv", "--name", "gpt-x")

    (run,) = imported(store)
    assert (run.name, run.experiment, run.seed) == ("gpt-x", "gpt-x", 0)
    assert_names(run.tags["mlflow.source.name"], "import x.csv", "--name gpt-x", "--on test", "--profile quick")
    assert (run.params["file"], run.params["rows"], run.params["predictions"]) == ("x.csv", "60", "probabilities")
    assert len(run.params["sha256"]) == 64
    assert run.metrics["test/accuracy"] == pytest.approx(55 / 60)


def test_the_same_again_is_left_and_other_ones_need_another_name_or_fresh(store, predict, call):
    predict("x.csv")
    call("import", "x.csv", "--name", "gpt-x")
    assert call("import", "x.csv", "--name", "gpt-x")[0] == 0
    assert len(imported(store)) == 1

    predict("y.csv", wrong=9)
    status, _, err = call("import", "y.csv", "--name", "gpt-x")
    assert status == 2
    assert_names(*error_lines(err), "gpt-x", "--fresh")
    assert call("import", "y.csv", "--name", "gpt-y")[0] == 0
    assert call("import", "y.csv", "--name", "gpt-x", "--fresh")[0] == 0
    assert sorted(run.experiment for run in imported(store)) == ["gpt-x", "gpt-y"]
    assert {run.metrics["test/accuracy"] for run in imported(store)} == {51 / 60}


def test_what_a_killed_import_left_behind_counts_no_more(store, predict, call):
    predict("x.csv")
    call("import", "x.csv", "--name", "gpt-x")
    (run,) = imported(store)
    store.reopen(run.run_id).resume({})  # RUNNING, as before its last write

    assert call("import", "x.csv", "--name", "gpt-x")[0] == 0
    assert [each.run_id != run.run_id for each in imported(store)] == [True]
    assert store.run(run.run_id).status is Status.KILLED


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (["x.csv"], ("--name",)),
        (["x.csv", "--name", "rnn"], ("--name", "rnn")),
        (["x.csv", "--name", "../x"], ("--name", "../x")),
        (["nowhere.csv", "--name", "gpt-x"], ("nowhere.csv",)),
        (["x.csv", "--name", "gpt-x", "--on", "shiftd"], ("--on shiftd", "'shifted'")),
        (["x.csv", "--name", "gpt-x", "--on", "typos"], ("x.csv", "typos")),
        (["short.csv", "--name", "gpt-x"], ("short.csv", "59 of 60")),
    ],
)
def test_wrong_use_records_nothing(store, predict, call, test_part, arguments, facts):
    predict("x.csv")
    pd.DataFrame({"id": [test_part[0].id], "label": 1}).to_csv("short.csv", index=False)

    status, _, err = call("import", *arguments)

    assert status == 2
    assert_names(*error_lines(err), *facts)
    assert store.runs("quick", EXTERNAL) == []


def test_labels_alone_have_neither_roc_auc_nor_log_loss(store, predict, call, test_part):
    predict("x.csv", label=[review.label for review in test_part])
    assert call("import", "x.csv", "--name", "oracle")[0] == 0

    (run,) = imported(store)
    assert run.metrics["test/accuracy"] == 1
    assert not {"test/roc_auc", "test/log_loss"} & run.metrics.keys()
    assert call("report")[0] == 0


class TestAChallengeSet:
    def predictions(self, call, chances=(0.9, 0.1, 0.2, 0.1)) -> None:
        assert call("export", "todo.csv", "--on", "shifted")[0] == 0
        pd.read_csv("todo.csv").assign(probability=chances).to_csv("shift.csv", index=False)

    def test_joins_the_run_of_the_test_part(self, store, predict, call):
        self.predictions(call)
        status, _, err = call("import", "shift.csv", "--name", "gpt-x", "--on", "shifted")
        assert status == 2
        assert_names(*error_lines(err), "gpt-x", "import FILE", "--on test")

        predict("x.csv")
        call("import", "x.csv", "--name", "gpt-x")
        assert call("import", "shift.csv", "--name", "gpt-x", "--on", "shifted")[0] == 0
        (found,) = read_results(store, "quick").challenges
        (run,) = imported(store)
        assert (found.name, list(found.logits)) == ("shifted", [run.run_id])
        assert not found.in_train[run.run_id].any()
        assert run.metrics["challenge/shifted/accuracy"] == 0.75
        assert run.metrics["challenge/shifted/consistency"] == 0.5
        assert "gpt-x (external)" in json.dumps(json.loads(call("report", "--format", "json")[1])["challenges"])

    def test_again_is_left_or_refused_or_replaced(self, store, predict, call):
        predict("x.csv")
        call("import", "x.csv", "--name", "gpt-x")
        arguments = ("import", "shift.csv", "--name", "gpt-x", "--on", "shifted")
        self.predictions(call)
        assert [call(*arguments)[0] for _ in range(2)] == [0, 0]

        self.predictions(call, (0.9, 0.1, 0.9, 0.1))
        assert call(*arguments)[0] == 2
        assert call(*arguments, "--fresh")[0] == 0
        assert imported(store)[0].metrics["challenge/shifted/accuracy"] == 1
        pd.read_csv("todo.csv").assign(label=1).to_csv("shift.csv", index=False)
        status, _, err = call(*arguments)
        assert status == 2
        assert_names(*error_lines(err), "labels", "probabilities")


def test_list_names_imported_systems(predict, call):
    predict("x.csv")
    call("import", "x.csv", "--name", "gpt-x")

    status, out, _ = call("list")
    assert status == 0
    assert [line for line in out.splitlines() if "gpt-x" in line] == ["imported systems: gpt-x"]
    assert "2 of 2" in out


@pytest.mark.parametrize("command", ["predict --run {} text", "reproduce {}", "explain --run {}"])
def test_a_command_that_needs_a_network_says_that_there_is_none(store, predict, call, command):
    predict("x.csv")
    call("import", "x.csv", "--name", "gpt-x")
    (run,) = imported(store)

    status, _, err = call(*command.format(run.run_id).split())

    assert status == 2
    assert_names(*error_lines(err), "gpt-x", "imported")


def test_two_runs_are_compared_by_their_predictions(store, predict, call):
    predict("x.csv")
    call("import", "x.csv", "--name", "gpt-x")
    (run,), other = imported(store), store.runs("quick")[0]

    status, out, _ = call("compare", run.run_id, other.run_id, "--json")

    assert status == 0
    assert json.loads(out)["predictions"]["both"] == 60


def test_an_export_takes_imported_systems_along(predict, call):
    predict("x.csv")
    call("import", "x.csv", "--name", "gpt-x")
    call("export", "out")

    there, here = (json.loads(call("report", *where, "--format", "json")[1]) for where in (["--from", "out"], []))
    assert there == here
    assert any(row["external"] for row in there["rows"])


def test_where_the_reviews_are_not_here_ids_alone_are_written(test_part, call):
    status, _, err = call(
        "export", "ids.csv", "--on", "test", "--set", "data.source=aclimdb", "--set", "data.path=null"
    )

    assert status == 0
    assert_names(err, "ids.csv", "ids alone")
    table = pd.read_csv("ids.csv")
    assert list(table) == ["id"]
    assert set(table["id"]) == {review.id for review in test_part}
