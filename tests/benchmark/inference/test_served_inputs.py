"""What a served model takes: texts in any usual form, and what it says of those that are missing or no texts."""

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel

from benchmark.tracking.logged_model import EXAMPLES, save_pyfunc
from tests.helpers.facts import assert_names

COLUMNS = ["label", "probability_negative", "probability_positive"]
TEXTS = (*EXAMPLES, "awful", "a wonderful joy")


@pytest.fixture
def model(trained_as, tmp_path) -> PyFuncModel:
    save_pyfunc(tmp_path / "saved", trained_as("lstm").bundle)
    return mlflow.pyfunc.load_model(str(tmp_path / "saved"))


def positive(model: PyFuncModel, texts: object) -> list[float]:
    return model.predict(texts)["probability_positive"].tolist()


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object).reshape(-1, 1),
        pd.Series,
        lambda texts: pd.Series(texts, name="review"),
        lambda texts: pd.Series(texts, dtype="category"),
        lambda texts: pd.DataFrame(list(texts)),
        lambda texts: pd.DataFrame({"text": texts}),
        lambda texts: pd.DataFrame({"id": range(len(texts)), "text": pd.Categorical(texts)}),
        lambda texts: {"text": list(texts)},
        lambda texts: {"text": np.array(texts)},
        lambda texts: [{"text": text} for text in texts],
    ],
)
def test_texts_are_taken_in_any_usual_form(model, form):
    assert len(set(expected := positive(model, list(TEXTS)))) > 1
    assert positive(model, form(TEXTS)) == expected


@pytest.mark.parametrize("text", [EXAMPLES[0], {"text": EXAMPLES[0]}, np.array(EXAMPLES[0])])
def test_one_text_is_a_list_of_one(model, text):
    assert positive(model, text) == positive(model, [EXAMPLES[0]])


@pytest.mark.parametrize("nothing", [[], pd.DataFrame(), pd.DataFrame({"text": []}), {"text": []}, np.array([])])
def test_no_texts_get_no_answers(model, nothing):
    assert list(model.predict(nothing).columns) == COLUMNS
    assert len(model.predict(nothing)) == 0


def test_the_answer_has_the_inputs_index(model):
    table = pd.DataFrame({"text": [*EXAMPLES, None]}, index=[9, 5, 9])

    assert model.predict(table).index.tolist() == [9, 5, 9]
    assert model.predict(table.iloc[:2]).index.tolist() == [9, 5]
    assert model.predict(table["text"]).index.tolist() == [9, 5, 9]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_missing_text_gets_null_and_the_others_their_answers(model, missing):
    answers = model.predict([EXAMPLES[0], missing, EXAMPLES[1]])

    assert answers.iloc[1].tolist() == [None, None, None]
    assert answers.iloc[[0, 2]]["probability_positive"].tolist() == pytest.approx(positive(model, list(EXAMPLES)))
    assert model.predict([missing]).iloc[0].tolist() == [None, None, None]


def test_a_lone_surrogate_is_a_character_that_nothing_knows(model):
    assert positive(model, ["\ud83d fine", "\udca9"]) == positive(model, ["\ufffd fine", "\ufffd"])
    assert positive(model, ["\ud83d\udca9"]) == positive(model, ["\N{PILE OF POO}"])


@pytest.mark.parametrize(
    ("texts", "facts"),
    [
        (["fine", 3], ["row 1", "int"]),
        (pd.DataFrame({"text": [1.5]}), ["row 0", "float"]),
        (["fine", ["a", "b"]], ["row 1", "list"]),
        (pd.DataFrame({"review": ["fine"]}), ["'text'", "'review'"]),
        ({"review": ["fine"]}, ["'text'", "'review'"]),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), ["'text', 'text'"]),
        (pd.DataFrame([["a"]], columns=pd.Index([{"text": 1}], dtype=object)), ["{'text': 1}"]),
        ([{"review": "fine"}], ["row 0", "dict"]),
    ],
)
def test_what_is_no_text_is_refused_by_its_row_or_column(model, texts, facts):
    with pytest.raises(MlflowException) as refused:
        model.predict(texts)
    assert refused.value.get_http_status_code() == 400
    assert_names(refused, *facts)
