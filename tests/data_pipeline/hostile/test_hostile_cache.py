"""Cache entries that an enemy, or a bad disk, has changed: made again, and never read for something else."""

import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_pipeline.aclimdb import PARSED_FILE, read_aclimdb
from data_pipeline.config import TokensConfig
from data_pipeline.files import SUMS_FILE, write_checksums
from data_pipeline.pipeline import VOCABULARY_FILE, build_data
from data_pipeline.token_store import OFFSETS_FILE, TOKENS_FILE, cached_tokens
from tests.helpers.official import members, write_archive


def with_bit_flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


class TestParsedReviews:
    @pytest.fixture
    def archive(self, given):
        return write_archive(given / "reviews.tar.gz", members())

    @pytest.fixture
    def entry(self, archive, cache):
        read_aclimdb(archive, cache)
        [path] = cache.rglob(PARSED_FILE)
        return path

    @pytest.mark.parametrize(
        "damage",
        [
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(b"garbage" * 1000),
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
            lambda path: path.unlink(),
            lambda path: path.with_name(SUMS_FILE).unlink(),
            lambda path: path.with_name(SUMS_FILE).write_bytes(b"\xff"),
            lambda path: pq.write_table(pa.table({"other": [1]}), path),
        ],
        ids=["empty", "garbage", "a byte less", "half of it", "gone", "no hash", "garbage for a hash", "another table"],
    )
    def test_a_damaged_entry_is_made_again(self, archive, cache, entry, damage):
        whole = entry.read_bytes()
        damage(entry)

        assert len(read_aclimdb(archive, cache).train) == 48
        assert entry.read_bytes() == whole

    def test_a_byte_that_changed_is_never_taken_for_another_review(self, archive, cache, entry):
        whole, expected = entry.read_bytes(), read_aclimdb(archive, cache)
        for place in range(4, len(whole), 97):
            entry.write_bytes(with_bit_flipped(whole, place))

            assert read_aclimdb(archive, cache) == expected


NO_VOCABULARY = [b"", b"[", b"[" * 100_000, b'["\\ud800"]', b'["<pad>", "<unk>", "a", "a"]', b"\xff"]


@pytest.mark.parametrize("content", NO_VOCABULARY, ids=range(len(NO_VOCABULARY)))
def test_a_damaged_vocabulary_is_counted_again(corpus, cache, content):
    def build():
        return build_data(corpus, TokensConfig(), "word", None, cache, parts=("train",)).tokenizer.fingerprint

    before = build()
    [path] = cache.rglob(VOCABULARY_FILE)
    whole = path.read_bytes()
    path.write_bytes(content)

    assert build() == before
    assert path.read_bytes() == whole


class TestTokens:
    @pytest.fixture
    def get(self, cache):
        rows = [np.arange(3, dtype=np.int32), np.zeros(1, np.int32)]
        return lambda: cached_tokens(cache, "key", ["a b c", "d"], lambda _: rows)

    @pytest.fixture
    def entry(self, get, cache):
        get()
        return cache / "tokens" / "key"

    @pytest.mark.parametrize("file", [TOKENS_FILE, OFFSETS_FILE])
    def test_a_bit_that_changed_is_never_taken_for_another_word(self, get, entry, file):
        whole = (entry / file).read_bytes()
        for place in range(len(whole)):
            (entry / file).write_bytes(with_bit_flipped(whole, place))

            assert [get()[number].tolist() for number in range(2)] == [[0, 1, 2], [0]]

    @pytest.mark.parametrize("file", [TOKENS_FILE, OFFSETS_FILE])
    def test_garbage_and_an_archive_in_the_place_of_an_array_are_made_again(self, get, entry, file):
        archive = io.BytesIO()
        np.savez(archive, np.array([0, 3, 4]))
        for content in (b"", b"PK\x03\x04", b"\x80\x04.", b"\x93NUMPY\x01\x00", b"garbage", archive.getvalue()):
            (entry / file).write_bytes(content)
            write_checksums(entry)  # by somebody who wants it to be read

            assert get().lengths.tolist() == [3, 1]

    def test_nothing_is_unpickled(self, get, entry, tmp_path):
        class Evil:
            def __reduce__(self):
                return (os.mkdir, (str(tmp_path / "made"),))

        np.save(entry / OFFSETS_FILE, np.array([Evil()], dtype=object), allow_pickle=True)
        write_checksums(entry)

        assert get().lengths.tolist() == [3, 1]
        assert not (tmp_path / "made").exists()
