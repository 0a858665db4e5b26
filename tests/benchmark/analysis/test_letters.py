"""Letters for every relation that five names can have."""

from itertools import combinations

import pytest

from benchmark.analysis.letters import compact_letters

NAMES = ("bert-finetuned", "lstm", "rnn", "bert-frozen", "bow")
PAIRS = list(combinations(NAMES, 2))


def test_nothing_separated_is_one_letter():
    assert compact_letters(NAMES, []) == dict.fromkeys(NAMES, "a")


def test_all_separated_is_a_letter_each_and_the_best_has_a():
    assert list(compact_letters(NAMES, PAIRS).values()) == list("abcde")


def test_an_overlap():
    assert compact_letters(["a1", "a2", "a3"], [("a1", "a3")]) == {"a1": "a", "a2": "ab", "a3": "b"}


def test_first_and_last_may_be_alike_though_the_middle_is_not():
    assert compact_letters(["x", "y", "z"], [("x", "y"), ("y", "z")]) == {"x": "a", "y": "b", "z": "a"}


def test_needless_letters_are_swept():
    """Without sweeping, this relation of eight names has a letter that connects nothing by itself."""
    alike = [
        (0, 1),
        (1, 2),
        (0, 2),
        (0, 3),
        (1, 3),
        (1, 4),
        (2, 4),
        (0, 5),
        (2, 5),
    ]  # triangle 0 1 2 is in three others
    names = [str(index) for index in range(6)]
    separated = [pair for pair in combinations(names, 2) if tuple(map(int, pair)) not in alike]
    letters = compact_letters(names, separated)

    assert len(set("".join(letters.values()))) == 3


@pytest.mark.parametrize("start", range(8))
def test_two_share_a_letter_if_and_only_if_they_are_not_separated(start):
    """All 1,024 relations of five names, an eighth at a time."""
    for relation in range(start, 2 ** len(PAIRS), 8):
        separated = {pair[::-1] for index, pair in enumerate(PAIRS) if relation >> index & 1}
        letters = compact_letters(NAMES, separated)

        assert list(letters) == list(NAMES)
        assert all(letters.values())
        assert {pair for pair in PAIRS if not set(letters[pair[0]]) & set(letters[pair[1]])} == {
            pair[::-1] for pair in separated
        }


def test_the_order_of_the_pairs_does_not_matter():
    separated = [PAIRS[index] for index in (1, 4, 6, 8)]

    assert compact_letters(NAMES, separated) == compact_letters(NAMES, separated[::-1])


def test_one_name_and_none():
    assert compact_letters(["lstm"], []) == {"lstm": "a"}
    assert compact_letters([], []) == {}


def test_letters_do_not_run_out():
    names = [f"n{index}" for index in range(30)]
    letters = compact_letters(names, combinations(names, 2))

    assert (letters["n25"], letters["n26"]) == ("z", "a'")
