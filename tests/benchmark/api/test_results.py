"""The front door in Python, on what commit b11dd94 recorded: tables, predictions, comparisons, reports."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import benchmark
from tests.benchmark.test_old_records import EXPECTED, extracted, go_to
from tests.helpers.facts import assert_names

pytestmark = pytest.mark.process

MODELS = ["rnn", "lstm", "bert-frozen", "lstm-attention", "bow"]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extracted(tmp_path_factory.mktemp("old"))


@pytest.fixture
def results(records: Path, monkeypatch: pytest.MonkeyPatch) -> benchmark.Results:
    go_to(records, monkeypatch)
    return benchmark.load_results("quick")


def test_table_has_numbers(results):
    table = results.table().set_index("experiment")

    assert set(table.index) <= set(MODELS)
    assert pd.api.types.is_float_dtype(table["test_accuracy_mean"])
    expected = {row["experiment"]: row["test_accuracy"]["mean"] for row in EXPECTED["report"]["rows"]}
    assert table["test_accuracy_mean"].dropna().to_dict() == {name: value for name, value in expected.items() if value}


def test_predictions_give_the_recorded_accuracy_by_seed(results):
    found = results.predictions("lstm")

    assert list(found.columns) == ["seed", "train_size", "id", "label", "probability"]
    assert found["probability"].between(0, 1).all()
    right = (found["probability"] > 0.5) == (found["label"] == 1)
    row = next(row for row in EXPECTED["report"]["rows"] if row["experiment"] == "lstm")
    assert right.groupby(found["seed"]).mean().tolist() == pytest.approx(row["test_accuracy_by_seed"])
    assert found.groupby("seed")["id"].nunique().eq(found["id"].nunique()).all()


def test_compare_is_the_table_s_test_either_way_round(results):
    one, other = results.compare("lstm", "rnn"), results.compare("rnn", "lstm")

    accuracy = results.table().set_index("experiment")["test_accuracy_mean"]
    assert one.difference == pytest.approx(accuracy["lstm"] - accuracy["rnn"])
    assert one.interval[0] <= one.difference <= one.interval[1]
    assert (other.difference, other.interval) == (-one.difference, (-one.interval[1], -one.interval[0]))
    assert (one.p, one.adjusted_p) == (other.p, other.adjusted_p)
    assert 0 <= one.p <= one.adjusted_p <= 1


def test_report_is_returned_and_written(results, tmp_path):
    text = results.report("json", tmp_path / "new" / "report.json")
    page = results.report(output=tmp_path / "page" / "index.html", texts=False)

    assert (tmp_path / "new" / "report.json").read_text(encoding="utf-8") == text
    assert (tmp_path / "page" / "index.html").read_text(encoding="utf-8") == page
    assert "lstm" in results.report()


def test_notebook_shows_an_escaped_table(results, monkeypatch):
    monkeypatch.setattr(type(results), "findings", ("<script>",))

    html = results._repr_html_()

    assert "<table" in html
    assert "<script>" not in html
    assert repr(results) == results.report()


def test_results_of_an_export_are_those_of_the_store(results):
    exported = benchmark.load_results(export="export")

    np.testing.assert_array_equal(exported.predictions("bow"), results.predictions("bow"))


def test_predict_labels_reviews_as_the_command_did(results):
    texts = EXPECTED["texts"]

    found = benchmark.predict(texts, model="lstm")

    expected = EXPECTED["predict"]["lstm"]
    assert found["label"].tolist() == [each["label"] for each in expected]
    assert found["probability_positive"].tolist() == pytest.approx([each["probability_positive"] for each in expected])
    assert len(benchmark.predict(texts[0], model="lstm")) == 1


@pytest.mark.parametrize(
    ("texts", "facts"), [(["这部电影"], ["1 of 1"]), (["qqq", "a film"], ["1 of 2"]), (["a film"], [])]
)
@pytest.mark.usefixtures("results")
def test_predict_warns_of_reviews_without_a_known_word(texts, facts):
    said: list[str] = []
    benchmark.predict(texts, model="lstm", say=said.append)

    assert len(said) == 1 + bool(facts)
    assert_names(said[-1], *facts)


def test_unfinished_runs_are_named_with_their_error(recorded):
    assert benchmark.load_results("quick").unfinished() == {"rnn seed 1": "failed: NonFiniteError: loss is nan"}


@pytest.mark.parametrize(
    ("call", "facts"),
    [
        (lambda results: results.predictions("ltsm"), ["ltsm", "lstm"]),
        (lambda results: results.compare("lstm", "nope"), ["nope", "lstm"]),
        (lambda results: results.compare("lstm", "rnn", train_size=7), ["lstm", "7"]),
        (lambda results: results.report("htm"), ["htm", "html"]),
        (lambda results: results.report("csv", "table.md"), ["table.md", "csv", "markdown"]),
        (lambda results: benchmark.load_results("nothing"), ["nothing", "run all"]),
        (lambda results: benchmark.predict(["x"], model="ltsm"), ["ltsm", "lstm"]),
        (lambda results: benchmark.predict(["x"]), ["model", "run"]),
        (lambda results: benchmark.run("ltsm"), ["ltsm", "lstm"]),
        (lambda results: benchmark.run("lstm", settings={"lstm.training.epochs": 0}), ["lstm.training.epochs", "0"]),
        (lambda results: benchmark.run("lstm", profile="quik"), ["quik", "quick"]),
    ],
)
def test_wrong_input_is_an_error_in_one_line(results, call, facts):
    with pytest.raises(benchmark.InputError) as caught:
        call(results)

    assert_names(caught, *facts)
    assert "\n" not in str(caught.value)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nope"):
        benchmark.nope  # noqa: B018
    assert set(benchmark.__all__) <= set(dir(benchmark))
