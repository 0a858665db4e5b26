"""Texts of challenge sets are found by the ids of their reviews, or it is said why not."""

import pytest

from benchmark.results.challenge_texts import find_challenge_texts
from data_pipeline.review import identified
from data_pipeline.sources import Place
from tests.helpers.facts import assert_names

ROWS = [("a fine film", 1), ("a dull film, for which nobody has a word", 0)]
REVIEWS = identified(ROWS)
IDS = [review.id for review in REVIEWS]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "shifted.csv"
    path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in ROWS))
    return path


@pytest.fixture
def find(tmp_path):
    def find(configs, wanted, test=()):
        return find_challenge_texts(configs, wanted, Place(None, tmp_path / "cache"), test)

    return find


def test_of_a_table_are_those_of_the_file_that_a_run_records(find, table):
    settings = [{}, {"challenges": {"mine": {"source": "table", "path": str(table)}}}]

    found = find(settings, {"mine": IDS[:1]})
    assert (dict(found.texts), found.missing) == ({IDS[0]: ROWS[0][0]}, "")
    changed = find(settings, {"mine": [*IDS, "another"]})
    assert dict(changed.texts) == {review.id: review.text for review in REVIEWS}
    assert_names(changed.missing, "1 ", "mine")


def test_of_a_changed_test_part_are_made_again(find):
    config = {"source": "perturbation", "change": "first_words"}
    long = identified([(f"{text} " * 30, label) for text, label in ROWS])
    short = identified([(" ".join(review.text.split()[:50]), review.label) for review in long])

    found = find([{"challenges": {"short": config}}], {"short": [review.id for review in short]}, long)
    assert dict(found.texts) == {review.id: review.text for review in short}
    assert found.missing == ""


def test_of_files_that_are_not_here_or_never_recorded_are_not_shown_and_the_page_says_so(find, table):
    table.unlink()
    settings = [{"challenges": {"mine": {"source": "table", "path": str(table)}}}]
    found = find(settings, {"mine": IDS, "shifted": IDS})

    assert dict(found.texts) == {}
    assert_names(found.missing, "mine", "shifted.csv", "shifted are not shown")


def test_of_a_published_set_that_no_run_records_are_looked_for_by_its_name(find):
    assert_names(find([{}], {"counterfactual": IDS}).missing, "counterfactual", "test_paired.tsv")
