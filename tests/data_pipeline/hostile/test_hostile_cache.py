"""Cache entries that an enemy has changed together with their hashes: rebuilt, and never run."""

import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_pipeline.aclimdb import PARSED_FILE, read_aclimdb
from data_pipeline.config import TokensConfig
from data_pipeline.files import write_checksums
from data_pipeline.pipeline import VOCABULARY_FILE, build_data
from data_pipeline.token_store import OFFSETS_FILE, TOKENS_FILE, cached_tokens
from tests.helpers.official import members, write_archive


@pytest.mark.parametrize(
    "damage",
    [lambda path: path.write_bytes(b"garbage" * 1000), lambda path: pq.write_table(pa.table({"other": [1]}), path)],
    ids=["garbage", "another table"],
)
def test_damaged_parsed_reviews_are_parsed_again(given, cache, damage):
    archive = write_archive(given / "reviews.tar.gz", members())
    before = read_aclimdb(archive, cache)
    [path] = cache.rglob(PARSED_FILE)
    whole = path.read_bytes()
    damage(path)

    assert read_aclimdb(archive, cache) == before
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b'["\\ud800"]', b'["<pad>", "<unk>", "a", "a"]', b"\xff"], ids=range(5)
)
def test_a_damaged_vocabulary_is_counted_again(corpus, cache, content):
    def build():
        return build_data(corpus, TokensConfig(), "word", None, cache, parts=("train",)).tokenizer.fingerprint

    before = build()
    [path] = cache.rglob(VOCABULARY_FILE)
    whole = path.read_bytes()
    path.write_bytes(content)
    write_checksums(path.parent)

    assert build() == before
    assert path.read_bytes() == whole


@pytest.mark.parametrize("file", [TOKENS_FILE, OFFSETS_FILE])
def test_no_array_is_unpickled_or_read_from_an_archive(cache, tmp_path, file):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    def get():
        rows = [np.arange(3, dtype=np.int32), np.zeros(1, np.int32)]
        return cached_tokens(cache, "key", ["a b c", "d"], lambda _: rows).lengths.tolist()

    get()
    entry, archive, pickled = cache / "tokens" / "key", io.BytesIO(), io.BytesIO()
    np.savez(archive, np.array([0, 3, 4]))
    np.save(pickled, np.array([Evil()], dtype=object), allow_pickle=True)
    for content in (b"", b"\x80\x04.", b"\x93NUMPY\x01\x00", archive.getvalue(), pickled.getvalue()):
        (entry / file).write_bytes(content)
        write_checksums(entry)

        assert get() == [3, 1]
    assert not (tmp_path / "made").exists()
