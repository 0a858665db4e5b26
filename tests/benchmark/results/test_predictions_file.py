"""A table of another system's predictions: matched with reviews by id or text, and refused in one line where wrong."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmark.analysis.metrics import probabilities
from benchmark.results.predictions_file import read_foreign
from data_pipeline.errors import DataError
from data_pipeline.review import identified
from tests.helpers.facts import assert_names

PAIRS = [("A fine film.", 1), ("Dull, <br /> and long.", 0), ("A fine film.", 1), ("Not my film", 0)]
REVIEWS = identified(PAIRS)
IDS = [review.id for review in REVIEWS]


@pytest.fixture
def read(tmp_path):
    """`read(table)` is what a CSV of the table says."""

    def get(table: pd.DataFrame | str, name: str = "given.csv"):
        path = tmp_path / name
        path.write_text(table if isinstance(table, str) else table.to_csv(index=False), encoding="utf-8")
        return read_foreign(path, REVIEWS, "the test part")

    return get


def table(**columns) -> pd.DataFrame:
    return pd.DataFrame({"id": IDS, **columns})


def test_probabilities_come_back_in_the_order_of_the_reviews(read):
    chances = [0.9, 0.25, 0.5, 0.0]
    found = read(table(probability=chances).iloc[[2, 0, 3, 1]])

    assert (found.logits.dtype, found.only_labels) == (np.float32, False)
    assert (found.logits[:, 0] == 0).all()
    assert np.allclose(probabilities(found.logits)[:, 1], [0.9, 0.25, 0.5, 1e-7], rtol=1e-5)


def test_logits_are_taken_as_they_are(read):
    found = read(table(logit_negative=[1, 2, 3, 4], logit_positive=[2.5, 0, 3, -1]))

    assert found.logits.tolist() == [[1, 2.5], [2, 0], [3, 3], [4, -1]]


def test_labels_alone_say_no_probability(read):
    found = read(table(label=["positive", "neg", 1, 0]))

    assert found.only_labels
    assert found.logits.tolist() == [[-1, 1], [1, -1], [-1, 1], [1, -1]]


def test_a_tie_is_decided_by_the_label(read):
    found = read(table(label=[1, 0, 1, 0], probability=0.5))

    assert found.logits.argmax(axis=1).tolist() == [1, 0, 1, 0]
    assert np.allclose(probabilities(found.logits), 0.5)


def test_texts_match_as_they_are_else_normalised_and_equal_ones_in_their_order(read):
    texts = ["a FINE film", "dull, and long", "A fine film.", "Not my film"]
    found = read(pd.DataFrame({"text": ["A fine film.", "dull, and long", *texts[2:]], "probability": 0.75}))
    assert len(found.logits) == 4

    with pytest.raises(DataError) as caught:
        read(pd.DataFrame({"text": texts, "probability": 0.75}))
    assert_names(str(caught.value), "line 2", "2 reviews", "id")


def test_other_formats_are_read_too(read):
    rows = [{"id": review, "probability": 0.75, "note": "x"} for review in IDS]

    assert len(read(json.dumps(rows), "given.json").logits) == 4
    assert len(read("\n".join(map(json.dumps, rows)), "given.jsonl").logits) == 4


@pytest.mark.parametrize(
    ("columns", "facts"),
    [
        ({"id": [*IDS[:3], "x"], "probability": 0.5}, ("line 5", "'x'", "the test part")),
        ({"id": [*IDS[:3], IDS[0]], "probability": 0.5}, ("line 5", IDS[0], "twice")),
        ({"id": IDS[:1], "probability": 0.5}, ("3 of 4", *IDS[1:])),
        ({"text": ["another film"], "probability": 0.5}, ("line 2", "another film")),
        ({"id": IDS, "text": ["another film", "", "", ""], "probability": 0.5}, ("line 2", IDS[0], "text")),
        ({"id": IDS, "probability": [0.1, 1.5, 0, 0]}, ("line 3", "1.5", "0 to 1")),
        ({"id": IDS, "probability": [0.1, "nan", 0, 0]}, ("line 3", "probability", "nan")),
        ({"id": IDS, "probability": [0.1, "", 0, 0]}, ("line 3", "probability", "''")),
        ({"id": IDS, "label": [1, 1, "maybe", 0]}, ("line 4", "'maybe'")),
        ({"id": IDS, "label": 1, "probability": [0.6, 0.4, 1, 1]}, ("line 3", "label 1", "0.4")),
        ({"id": IDS, "label": 0, "logit_negative": 0, "logit_positive": 1}, ("line 2", "label 0", "logit")),
        ({"id": IDS, "logit_negative": 0, "logit_positive": "inf"}, ("line 2", "logit_positive", "inf")),
        ({"id": IDS, "logit_negative": 0}, ("line 1", "logit_positive")),
        ({"id": IDS, "logit_negative": 0, "logit_positive": 0, "probability": 1}, ("line 1", "probability")),
        ({"id": IDS, "answer": 1}, ("line 1", "label", "probability", "answer")),
        ({"review": IDS, "label": 1}, ("line 1", "id", "text")),
    ],
)
def test_what_is_wrong_is_named_with_its_line(read, columns, facts):
    with pytest.raises(DataError) as caught:
        read(pd.DataFrame(columns))

    assert "\n" not in str(caught.value)
    assert_names(str(caught.value), "given.csv", *facts)
