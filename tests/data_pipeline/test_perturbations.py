"""Texts are changed the same way each time, in the share that is said, and keep their markup."""

import pytest

from data_pipeline.perturbations import TITLES, perturb
from data_pipeline.review import identified

WORDS = [f"word{chr(97 + n % 26)}" for n in range(200)]
(LONG, SHORT, OTHER) = identified([(" ".join(WORDS), 1), ("An odd film", 0), (" ".join(WORDS[::-1]), 1)])


def changed(text, change, seed=2077):
    (review,) = identified([(text, 1)])
    return perturb(review, change, seed)


class TestTypos:
    def test_in_5_percent_of_the_words_two_neighbouring_letters_are_swapped(self):
        words = perturb(LONG, "typos", 2077).split()
        different = [(before, after) for before, after in zip(WORDS, words, strict=True) if before != after]

        assert len(different) == 10
        for before, after in different:
            assert sorted(before) == sorted(after)
            first, second = (place for place in range(len(before)) if before[place] != after[place])
            assert second == first + 1

    def test_a_short_review_has_one_in_a_word_of_four_letters(self):
        assert perturb(SHORT, "typos", 1) in {"An odd iflm", "An odd flim", "An odd fiml"}

    @pytest.mark.parametrize("text", ["an odd one", "aaaa bbbb", "<strong> &quot; <br />", "12345 !!!!"])
    def test_a_text_without_such_a_word_stays(self, text):
        assert changed(text, "typos") == text

    def test_depend_on_the_seed_and_the_review_alone(self):
        assert perturb(LONG, "typos", 1) == perturb(LONG, "typos", 1) != perturb(LONG, "typos", 2)
        assert perturb(LONG, "typos", 1).split() != perturb(OTHER, "typos", 1).split()[::-1]

    def test_are_the_same_in_every_version(self):
        assert changed("A moving picture with wonderful actors", "typos") == "A moving picutre with wonderful actors"


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("first_words", " <p>two, words</p> ", " <p>two, words"),
        ("first_words", "a<br />b " * 30, ("a<br />b " * 25).strip()),
        ("first_words", "a b " * 30, ("a b " * 25).strip()),
        ("last_words", "a<br /><br />b " * 30, "a<br /><br />b " * 25),
        ("last_words", "one<br />", "one<br />"),
        ("last_words", "<br />", "<br />"),
    ],
)
def test_what_a_change_leaves(change, before, after):
    assert changed(before, change) == after


@pytest.mark.parametrize("change", TITLES)
def test_tags_and_entities_stay_whole(change):
    text = changed("some<br /><br />longer&nbsp;words " * 10, change)

    assert text.count("<br /><br />") == text.count("<") / 2 == text.count(">") / 2 == 10
    assert text.count("&nbsp;") == text.count("&") == 10
