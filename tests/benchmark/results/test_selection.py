"""Which reviews are explained where none are named."""

from benchmark.results.selection import DISPUTED, MISSED, select_reviews
from tests.helpers.recorded import predictions

SURE, UNSURE = (0.0, 4.0), (0.0, 0.5)


def against(logits):
    return logits[::-1]


# A review is positive where its id ends in `+`.
ONE = predictions({"agreed+": SURE, "split+": SURE, "near+": SURE, "missed-": SURE, "missed a bit-": UNSURE})
OTHER = predictions(
    {"missed a bit-": UNSURE, "missed-": SURE, "near+": UNSURE, "split+": against(SURE), "agreed+": SURE}
)


def test_the_most_disputed_come_first_and_then_the_most_surely_missed():
    three = {"split+": DISPUTED, "near+": DISPUTED, "missed-": MISSED}

    assert select_reviews([ONE, OTHER], 3) == three
    assert select_reviews([ONE, OTHER], 4) == select_reviews([OTHER, ONE], 4) == three | {"missed a bit-": MISSED}
    assert len(select_reviews([ONE, OTHER], 5)) == len(select_reviews([ONE, OTHER], 6)) == 5


def test_where_few_are_missed_disputed_ones_take_their_place():
    right = predictions({"a+": SURE, "b+": UNSURE, "c-": against(SURE)})
    other = predictions({"a+": SURE, "b+": SURE, "c-": SURE})

    assert list(select_reviews([right, other], 3)) == ["c-", "b+", "a+"]
    assert set(select_reviews([right, other], 3).values()) == {DISPUTED}


def test_a_single_model_is_asked_for_what_it_was_least_sure_of():
    assert list(select_reviews([ONE], 2)) == ["missed a bit-", "missed-"]
    assert select_reviews([ONE], 1) == {"missed a bit-": DISPUTED}
