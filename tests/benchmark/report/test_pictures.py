"""What the page says beside its figures is what the figures are: its first sentence, ticks, lines and times."""

import re

import numpy as np
import pytest

from benchmark.report.narrative import LATENCY, SIZE, prices
from benchmark.report.page import make_page
from benchmark.report.pictures import _SECONDS, _STEPS, round_ticks
from benchmark.report.provenance import provenance
from benchmark.report.table import make_report
from tests.helpers.made_page import MadePage

TIME = prices([])[0]
UNITS = {"ms": 1, "k": 1e3, "M": 1e6, "": 1, "s": 1, "min": 60, "h": 3600}


def test_the_first_sentence_counts_the_models_that_have_finished():
    made = MadePage(reviews=60, error="boom")
    finished = make_page(make_report(made.results()), made.details(made.results()))
    assert finished.lead.startswith("5 of 6 models read ")
    assert MadePage(reviews=60).page().lead.startswith("5 models read ")
    assert MadePage(reviews=60, accuracy={"bow": 0.8}).page().lead.startswith("1 model read ")


@pytest.mark.parametrize(("price", "steps"), [(TIME, _SECONDS), (LATENCY, _STEPS), (SIZE, _STEPS)])
@pytest.mark.parametrize("span", [1, 3, 40, 5000])
def test_ticks_are_one_to_five_and_each_says_its_own_value(price, steps, span):
    lowest = 1.0 if price is SIZE else 0.01
    for smallest in np.geomspace(lowest, 3e5, 60):
        ticks = round_ticks(smallest / 1.6, smallest * span * 1.6, steps, price[2])
        assert 1 <= len(ticks) <= 5
        for value, text in ticks.items():
            number, _, unit = text.partition(" ")
            assert float(number.replace(",", "")) * UNITS[unit] == pytest.approx(value)


def test_a_small_size_and_a_short_time_are_not_rounded_to_nothing():
    assert [price[2](value) for price, value in ((SIZE, 3e4), (LATENCY, 0.034), (TIME, 0.04))] == [
        "30.0 k parameters",
        "0.034 ms",
        "0.04 s",
    ]


@pytest.mark.parametrize("accuracy", [{"bow": 0.9, "rnn": 0.8}, {"rnn": 0.8, "bow": 0.9}], ids=["one", "two"])
def test_the_pareto_front_is_a_line_with_a_corner_also_where_it_is_one_model(accuracy):
    pictures = [each for each in MadePage(reviews=60, accuracy=accuracy).page().pictures if "cost" in each.key]

    assert len(pictures) == 3
    for picture in pictures:
        line = re.search(r'id="[\w-]*front">\s*<path d="([^"]*)"', picture.svg)
        assert line is not None
        assert line[1].count("L") >= 2


def test_one_review_is_one():
    made = MadePage(reviews=20, accuracy={"bow": 0.95}, seeds=(1,))
    (confusion,) = [each for each in made.page().pictures if each.key.startswith("confusion")]

    assert "1 review<" in confusion.svg
    assert "1 reviews" not in confusion.svg


def test_the_time_of_a_run_is_that_of_its_row_a_frozen_encoders_pass_included():
    made = MadePage(reviews=60, accuracy={"bert-frozen": 0.8}, seeds=(1,))
    results = made.results()
    results.runs[0].metrics.update(train_seconds=1.0, features_seconds=42.0)
    runs = provenance(results, made.details(results))["runs"]

    assert runs.rows[0][runs.columns.index("train time")] == make_report(results).cost["train time"][0] == "43 s"
