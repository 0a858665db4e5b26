import tracemalloc
from unittest.mock import Mock

import numpy as np
import pytest

from data_pipeline.files import write_checksums
from data_pipeline.token_store import OFFSETS_FILE, TOKENS_FILE, cached_tokens, token_key

TEXTS = ["a b c", "d", "e f"]


@pytest.fixture
def encode():
    """Makes the code of each one-letter word its token."""
    return Mock(
        side_effect=lambda texts: (np.array([ord(word) for word in text.split()], dtype=np.int32) for text in texts)
    )


@pytest.fixture
def get(tmp_path, encode):
    return lambda: cached_tokens(tmp_path, "key", TEXTS, encode)


def rows(store):
    return [store[i].tolist() for i in range(len(store))]


EXPECTED = [[97, 98, 99], [100], [101, 102]]


def test_the_tokens_of_each_review_come_back_read_only_and_are_made_once(get, encode):
    store = get()

    assert rows(store) == rows(get()) == EXPECTED
    assert encode.call_count == 1
    with pytest.raises(ValueError, match="read-only"):
        store.tokens[0] = 1
    assert store.lengths.tolist() == [3, 1, 2]
    assert store.tokens.dtype == np.int32
    assert store.offsets.dtype == np.int64


def test_an_entry_that_does_not_fit_is_rebuilt_even_with_its_own_hashes(get, tmp_path):
    folder = tmp_path / "tokens" / "key"
    for damage in (
        lambda: (folder / TOKENS_FILE).write_bytes(b"1234" * 7),
        (folder / OFFSETS_FILE).unlink,
        lambda: np.save(folder / OFFSETS_FILE, np.array([0, 3, 4, 6], dtype=np.int32)),
        lambda: np.save(folder / OFFSETS_FILE, np.array([0, 3, 6])),
        lambda: np.save(folder / OFFSETS_FILE, np.array([0, 4, 3, 6])),
        lambda: np.save(folder / OFFSETS_FILE, np.array([1, 3, 4, 6])),
    ):
        get()
        damage()
        write_checksums(folder)

        assert rows(get()) == EXPECTED


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_a_part_without_tokens_is_a_store_without_tokens(tmp_path, encode, texts):
    for _ in range(2):
        store = cached_tokens(tmp_path, "key", texts, encode)

        assert rows(store) == [[] for _ in texts]
        assert (store.tokens.dtype, store.lengths.tolist()) == (np.int32, [0 for _ in texts])
    assert encode.call_count == 1


def test_a_review_less_or_more_than_there_are_texts_is_refused(tmp_path):
    for count in (2, 4):
        with pytest.raises(ValueError, match=r"tokens.* offsets"):
            cached_tokens(tmp_path, f"{count}", TEXTS, lambda _, count=count: iter([np.zeros(1, np.int32)] * count))


def test_rows_are_written_as_they_come_and_let_go(tmp_path):
    """Of 50 MiB of tokens, Python's allocator never holds three rows of 1 MiB."""

    def encode(texts):
        return (np.full(2**18, position, dtype=np.int32) for position, _ in enumerate(texts))

    tracemalloc.start()
    try:
        store = cached_tokens(tmp_path, "key", ["x"] * 50, encode)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (store.tokens.nbytes, store[49][-1]) == (50 * 2**20, 49)
    assert peak < 4 * 2**20


def test_the_key_knows_tokenizer_reviews_and_their_order():
    keys = [token_key("t", ["a", "b"]), token_key("u", ["a", "b"]), token_key("t", ["b", "a"]), token_key("t", ["a"])]

    assert len(set(keys)) == 4
    assert token_key("t", ["a", "b"]) == keys[0]
