"""The picture of slopes has every model's figures, from the test part to each challenge set."""

import pytest

from benchmark.report.beyond_picture import TEST
from benchmark.report.page import make_page
from benchmark.report.table import make_report
from tests.helpers.made_page import MadePage

LEVEL = {"rnn": 0.70, "lstm": 0.84, "bow": 0.85}
LOWER = {"rnn": 0.60, "bow": 0.70}  # `lstm` was not scored


def drawn(**changes):
    made = MadePage(reviews=200, accuracy=LEVEL, seeds=(1,), **changes)
    report = make_report(made.results())
    page = make_page(report, made.details(report.results))
    return report, [section for section in page.sections if section.key == "beyond"]


def test_has_the_test_part_and_then_each_set_the_easiest_first():
    _, (section,) = drawn(challenges={"a-hard-one": LOWER, "easy": LEVEL})
    (picture,) = section.pictures

    places = {name: [line[1] for line in picture.table.rows if line[0] == name] for name in LEVEL}
    assert places == {
        "rnn": [TEST, "easy", "a-hard-one"],
        "lstm": [TEST, "easy"],
        "bow": [TEST, "easy", "a-hard-one"],
    }
    assert picture.svg.index(f">{TEST}<") < picture.svg.index(">easy<") < picture.svg.index(">a-hard-one<")


def test_has_the_accuracies_and_intervals_of_the_tables():
    report, (section,) = drawn(challenges={"films": LEVEL})
    lines = {line[:2]: line[2:] for line in section.pictures[0].table.rows}

    for row in report.challenges[0].scored:
        low, high = row.interval
        assert lines[row.row.name, "films"] == (
            f"{100 * row.scores['accuracy'].mean:.2f}",
            f"{100 * low:.2f} to {100 * high:.2f}",
        )
        assert lines[row.row.name, TEST][0] == f"{100 * row.row.accuracy:.2f}"


def test_of_originals_in_train_has_the_revisions_alone():
    report, (section,) = drawn(challenges={"counterfactual": LEVEL}, leaked=5)
    lines = {line[:2]: line[2:] for line in section.pictures[0].table.rows}

    for row in report.challenges[0].scored:
        accuracy, interval = lines[row.row.name, "counterfactual, revised"]
        assert accuracy == f"{100 * row.scores['revised'].mean:.2f}"
        low, high = map(float, interval.split(" to "))
        assert high - low > 100 * (row.interval.high - row.interval.low)  # half as many reviews


@pytest.mark.parametrize("challenges", [{}, {"films": {}}])
def test_without_a_set_that_models_were_scored_on_there_is_none(challenges):
    assert drawn(challenges=challenges)[1] == []
