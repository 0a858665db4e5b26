"""Letters for every relation that five names can have."""

from itertools import combinations

import pytest

from benchmark.analysis.letters import compact_letters

NAMES = ("bert-finetuned", "lstm", "rnn", "bert-frozen", "bow")
PAIRS = list(combinations(NAMES, 2))


@pytest.mark.parametrize(
    ("names", "separated", "letters"),
    [
        (NAMES, [], "a a a a a"),
        (NAMES, PAIRS, "a b c d e"),
        ("xyz", [("x", "z")], "a ab b"),
        ("xyz", [("x", "y"), ("y", "z")], "a b a"),
        ("x", [], "a"),
        ("", [], ""),
    ],
)
def test_letters_by_hand(names, separated, letters):
    assert compact_letters(list(names), separated) == dict(zip(names, letters.split(), strict=True))


def test_needless_letters_are_swept():
    """Without sweeping, this relation of six names has a letter that connects nothing by itself."""
    alike = ["01", "12", "02", "03", "13", "14", "24", "05", "25"]  # triangle 0 1 2 is in three others
    separated = [pair for pair in combinations("012345", 2) if "".join(pair) not in alike]
    letters = compact_letters(list("012345"), separated)

    assert len(set("".join(letters.values()))) == 3


@pytest.mark.parametrize("start", range(8))
def test_two_share_a_letter_if_and_only_if_they_are_not_separated(start):
    """All 1,024 relations of five names, an eighth at a time."""
    for relation in range(start, 2 ** len(PAIRS), 8):
        separated = {pair[::-1] for index, pair in enumerate(PAIRS) if relation >> index & 1}
        letters = compact_letters(NAMES, separated)

        assert list(letters) == list(NAMES)
        assert letters == compact_letters(NAMES, sorted(separated)) == compact_letters(NAMES, sorted(separated)[::-1])
        assert all(letters.values())
        assert {pair for pair in PAIRS if not set(letters[pair[0]]) & set(letters[pair[1]])} == {
            pair[::-1] for pair in separated
        }


def test_letters_do_not_run_out():
    names = [f"n{index}" for index in range(30)]
    letters = compact_letters(names, combinations(names, 2))

    assert (letters["n25"], letters["n26"]) == ("z", "a'")
