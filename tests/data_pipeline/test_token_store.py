import numpy as np
import pytest

from data_pipeline.token_store import cached_tokens, token_key

TEXTS = ["a b c", "d", "e f"]


class Encoder:
    """Makes the length of each word its token and counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, texts):
        self.calls += 1
        return [np.array([ord(word) for word in text.split()], dtype=np.int32) for text in texts]


@pytest.fixture
def encode():
    return Encoder()


@pytest.fixture
def get(tmp_path, encode):
    return lambda: cached_tokens(tmp_path, "key", TEXTS, encode)


def rows(store):
    return [store[i].tolist() for i in range(len(store))]


EXPECTED = [[97, 98, 99], [100], [101, 102]]


def test_the_tokens_of_each_review_come_back(get):
    store = get()

    assert rows(store) == EXPECTED
    assert store.lengths.tolist() == [3, 1, 2]
    assert store.tokens.dtype == np.int32
    assert store.offsets.dtype == np.int64


def test_the_second_time_nothing_is_tokenised(get, encode):
    assert rows(get()) == rows(get()) == EXPECTED
    assert encode.calls == 1


def test_stored_tokens_cannot_be_written_to(get):
    with pytest.raises(ValueError, match="read-only"):
        get().tokens[0] = 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda tokens, _: tokens.write_bytes(tokens.read_bytes()[:-4]),
        lambda tokens, _: tokens.write_bytes(b""),
        lambda tokens, _: np.save(tokens, np.arange(7, dtype=np.int32)),
        lambda tokens, _: np.save(tokens, np.arange(6, dtype=np.int64)),
        lambda _, offsets: offsets.unlink(),
        lambda _, offsets: np.save(offsets, np.array([0, 3, 6])),
        lambda _, offsets: np.save(offsets, np.array([0, 4, 3, 6])),
        lambda _, offsets: np.save(offsets, np.array([1, 3, 4, 6])),
    ],
)
def test_a_damaged_entry_is_thrown_away_and_rebuilt(get, encode, tmp_path, damage):
    get()
    folder = tmp_path / "tokens" / "key"
    damage(folder / "tokens.npy", folder / "offsets.npy")

    assert rows(get()) == EXPECTED
    assert encode.calls == 2


def test_the_key_knows_tokenizer_reviews_and_their_order():
    keys = [token_key("t", ["a", "b"]), token_key("u", ["a", "b"]), token_key("t", ["b", "a"]), token_key("t", ["a"])]

    assert len(set(keys)) == 4
    assert token_key("t", ["a", "b"]) == keys[0]
