"""Reviews, archives, encoders and cache entries that an enemy, or a bad disk, has made.

Each is read as documented or refused in one line, and nothing is written outside the cache.
"""

import gzip
import hashlib
import io
import os
import random
import re
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from official import members, write_archive, write_folder

from data_pipeline import aclimdb
from data_pipeline.aclimdb import PARSED_FILE, read_aclimdb
from data_pipeline.checksums import SUMS_FILE, write_checksums
from data_pipeline.config import DataConfig, TokensConfig
from data_pipeline.encoder import resolve_encoder
from data_pipeline.errors import DataError
from data_pipeline.pipeline import VOCABULARY_FILE, build_data
from data_pipeline.sources import Place, load_corpus
from data_pipeline.table import read_table
from data_pipeline.token_store import OFFSETS_FILE, TOKENS_FILE, cached_tokens

PATIENCE = 30  # seconds in which a single review must be cut into tokens, on the slowest machine
MILLION = 1_000_000


def content_below(folder: Path, *, without: Path) -> dict[str, bytes | None]:
    """Every file and folder outside the cache, with what a file holds; what lies in a pipe is not looked at."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if without not in (path, *path.parents)
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Iterator[Path]:
    """Where something may be written; the working directory is another one, and the test ends with a look at the rest.

    What the test itself puts into tmp_path/given may change.
    """
    for name in ("here", "given"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = content_below(tmp_path, without=tmp_path / "given")
    yield tmp_path / "given" / "cache"
    assert content_below(tmp_path, without=tmp_path / "given") == before


@pytest.fixture
def given(tmp_path, cache) -> Path:
    """Where what is read lies; reading leaves it as it is."""
    return tmp_path / "given"


def outcome(read) -> str:
    """The one line with which it is refused; empty where it is read."""
    try:
        read()
    except DataError as error:
        line = str(error)
    else:
        return ""
    assert line
    assert "\n" not in line
    return line


def refusal(read) -> str:
    """The one line with which it is refused, which it must be."""
    line = outcome(read)
    assert line
    return line


# Tables


def write_parquet(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


LABELS = pa.array([0, 1])


class TestTables:
    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({"text": pa.array([b"fine", b"caf\xe9"]).view(pa.string()), "label": LABELS}, "Invalid UTF8"),
            ({"text": pa.array(["fine", "a\0b"]), "label": LABELS}, "row 2: the text holds a NUL byte"),
            ({"text": pa.array([b"fine", b"x" * 5000]), "label": LABELS}, r"row 1: the text is b'fine', no text"),
            ({"text": pa.array([["fine"], ["x" * 5000]]), "label": LABELS}, r"row 1: the text is \['fine'\], no text"),
            ({"text": pa.array(["a", "b"]), "label": pa.array([0, 10**15])}, "row 2: the label is '1000000000000000'"),
            ({"text": pa.array(["a", "b"]), "label": pa.array([0.0, float("inf")])}, "row 2: the label is 'inf'"),
            (
                {"text": pa.array(["a", "b"]), "label": pa.array([0, 2**60]).cast(pa.timestamp("ms"))},
                "cannot be read as parquet",
            ),
            ({"text": pa.array([], pa.string()), "label": pa.array([], pa.int64())}, r"0 reviews with labels \[\]"),
            ({"text": pa.nulls(2), "label": pa.nulls(2)}, "row 1: the text is None"),
        ],
        ids=["no UTF-8", "NUL", "bytes", "lists", "huge", "infinite", "no date", "empty", "nulls"],
    )
    def test_parquet_of_another_content_is_refused(self, given, columns, words):
        path = write_parquet(given / "mine.parquet", **columns)

        line = refusal(lambda: read_table(path))

        assert re.search(words, line)
        assert line.startswith(str(path))
        assert len(line) < 400 + len(str(path))

    def test_a_column_that_is_there_twice_is_refused(self, given):
        (given / "mine.csv").write_text("text,label,text\na,0,b\nc,1,d\n")
        double = pa.table([pa.array(["a", "b"]), LABELS, LABELS], names=["text", "label", "label"])
        pq.write_table(double, given / "mine.parquet")

        assert "more than one column text" in refusal(lambda: read_table(given / "mine.csv"))
        assert "more than one column label" in refusal(lambda: read_table(given / "mine.parquet"))

    def test_a_name_that_no_file_can_have_is_refused(self, given):
        assert "File name too long" in refusal(lambda: read_table(given / ("x" * 5000)))

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_whatever_bytes_change_it_is_read_or_refused(self, given, kind):
        """A seeded hundred: some cut off, some with bytes changed, some with bytes put in between."""
        path = given / f"mine.{kind}"
        if kind == "csv":
            path.write_text("text,label\n" + "".join(f'"a review, number {i}",{i % 2}\n' for i in range(40)))
        else:
            write_parquet(path, text=pa.array([f"number {i}" for i in range(40)]), label=pa.array([0, 1] * 20))
        refused = 0
        for content in damaged(path.read_bytes(), 100):
            path.write_bytes(content)
            refused += bool(outcome(lambda: read_table(path)))

        assert 5 < refused < 100

    def test_a_review_of_a_million_characters_stands_beside_the_others(self, given, cache, encoder_dir):
        rows = [f"review {i},{i % 2}" for i in range(30)]
        rows[3] = f"{'good film ' * (MILLION // 10)},1"
        (given / "mine.csv").write_text("\n".join(["text,label", *rows]))
        config = DataConfig(source="table", path=given / "mine.csv", train_size=18, val_size=6, test_size=6)
        corpus = load_corpus(config, Place(None, cache))

        for kind in ("word", "wordpiece"):
            parts = build_data(corpus, TokensConfig(max_length=32), kind, encoder_dir, cache).parts.values()
            assert max(part.token_counts.max() for part in parts) >= MILLION // 5
            assert max(part.batch(np.arange(len(part))).input_ids.shape[1] for part in parts) == 32


def damaged(content: bytes, count: int) -> Iterator[bytes]:
    """Seeded ways in which the content may have suffered."""
    chance = random.Random(2077)  # noqa: S311  damage is no secret
    for number in range(count):
        place = chance.randrange(len(content))
        put = chance.randbytes(chance.choice([1, 1, 4, 50]))
        yield [
            content[:place],
            content[:place] + put + content[place + len(put) :],
            content[:place] + put + content[place:],
        ][min(number % 5, 2)]


# Long reviews


LONG = {
    "one word": "a" * MILLION,
    "words": "good " * (MILLION // 5),
    "new words": " ".join(map(str, range(MILLION // 7))),
    "marks": "!?.," * (MILLION // 4),
    "blanks": " \t" * (MILLION // 2),
    "open tags": "<br" * (MILLION // 3),
    "a tag that never ends": "<br" + " " * MILLION,
    "accents": "e" + "\N{COMBINING ACUTE ACCENT}" * MILLION,
    "Chinese": "\N{CJK UNIFIED IDEOGRAPH-597D}" * MILLION,
    "controls": "\x01\u200b" * (MILLION // 2),
}


@pytest.mark.parametrize("text", LONG)
def test_a_review_of_a_million_characters_is_cut_in_reasonable_time(text, pieces, words):
    for tokenizer in (words, pieces):
        started = time.perf_counter()
        [row] = tokenizer.encode([LONG[text]])
        assert time.perf_counter() - started < PATIENCE
        assert 1 <= len(row) <= MILLION


@pytest.fixture(scope="module")
def pieces(encoder_dir):
    from data_pipeline.tokenization import WordPieceTokenizer

    return WordPieceTokenizer(encoder_dir)


@pytest.fixture(scope="module")
def words():
    from data_pipeline.tokenization import WordTokenizer

    return WordTokenizer.from_texts(["good film"], 10, 1)


# The official layout


class TestArchives:
    @pytest.mark.parametrize(
        "name", ["{outside}/evil", "../evil", "aclImdb/../../evil", "aclImdb/train/neg/../../../../evil"]
    )
    def test_what_leads_out_of_an_archive_is_written_nowhere(self, given, cache, tmp_path, name):
        evil = tarfile.TarInfo(name.format(outside=tmp_path))
        path = write_archive(given / "reviews.tar.gz", members(), evil)

        assert "leads out of the archive" in refusal(lambda: read_aclimdb(path, cache))
        assert not list(tmp_path.rglob("evil*"))

    def test_of_a_good_archive_nothing_is_unpacked(self, given, cache, tmp_path):
        read_aclimdb(write_archive(given / "reviews.tar.gz", members()), cache)

        found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert {name for name in found if not name.endswith(".lock")} == {"reviews.tar.gz", PARSED_FILE, SUMS_FILE}

    def test_names_that_are_no_text_are_told_in_one_line(self, given, cache):
        for name in (b"train/neg/caf\xe9.txt", b"train/neg/two\nlines.txt"):
            path = write_archive(given / "reviews.tar.gz", members() | {os.fsdecode(name): b"good"})

            assert "is not named <index>_<stars>.txt" in refusal(lambda path=path: read_aclimdb(path, cache))

    def test_a_sparse_file_whose_map_is_none_is_told(self, given, cache):
        evil = tarfile.TarInfo("aclImdb/train/neg/7_1.txt")
        evil.pax_headers = {"GNU.sparse.map": "nowhere", "GNU.sparse.size": "1"}
        path = given / "reviews.tar.gz"
        with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(evil, io.BytesIO())

        assert "cannot be read as a .tar.gz" in refusal(lambda: read_aclimdb(path, cache))

    @pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_a_name_of_a_megabyte_is_refused_before_it_is_read(self, given, cache, form):
        path = given / "reviews.tar.gz"
        with tarfile.open(path, "w:gz", format=form) as archive:
            archive.addfile(tarfile.TarInfo("a" * MILLION), io.BytesIO())

        assert re.search(r"name or attributes have 1,000,\d{3} bytes", refusal(lambda: read_aclimdb(path, cache)))

    def test_endless_empty_members_are_refused(self, given, cache, monkeypatch):
        monkeypatch.setattr("data_pipeline.aclimdb.MOST_MEMBERS", 5)
        path = write_archive(given / "reviews.tar.gz", members(per_class=2))

        assert "has more than 5 members" in refusal(lambda: read_aclimdb(path, cache))

    def test_whatever_bytes_of_it_change_it_is_read_or_refused(self, given, cache):
        path = write_archive(given / "reviews.tar.gz", members(per_class=2))
        refused = 0
        for content in damaged(gzip.decompress(path.read_bytes()), 100):
            path.write_bytes(gzip.compress(content, compresslevel=1))
            refused += bool(outcome(lambda: read_aclimdb(path, cache)))

        assert 5 < refused < 100


class TestFolders:
    @pytest.fixture
    def folder(self, given):
        return write_folder(given / "unpacked", members())

    def test_a_pipe_is_not_waited_for(self, folder, cache):
        os.mkfifo(folder / "aclImdb" / "train" / "neg" / "7_1.txt")

        assert "train/neg/7_1.txt is no file; remove it" in refusal(lambda: read_aclimdb(folder, cache))

    def test_a_folder_in_the_place_of_a_review_is_told(self, folder, cache):
        (folder / "aclImdb" / "train" / "neg" / "7_1.txt").mkdir()

        assert "train/neg/7_1.txt is no file; remove it" in refusal(lambda: read_aclimdb(folder, cache))

    @pytest.mark.parametrize("target", ["nowhere", "7_1.txt"])
    def test_a_link_that_leads_nowhere_or_to_itself_is_told(self, folder, cache, target):
        (folder / "aclImdb" / "train" / "neg" / "7_1.txt").symlink_to(target)

        assert "train/neg/7_1.txt cannot be read: " in refusal(lambda: read_aclimdb(folder, cache))

    def test_a_file_that_is_longer_than_any_review_is_not_read(self, folder, cache, monkeypatch):
        monkeypatch.setattr(aclimdb, "LONGEST_MEMBER", 5000)
        (folder / "aclImdb" / "train" / "neg" / "7_1.txt").write_bytes(b"x" * 5001)

        assert "'train/neg/7_1.txt' has 5,001 bytes, which no review has" in refusal(
            lambda: read_aclimdb(folder, cache)
        )


# Encoders


class TestEncoders:
    @pytest.fixture
    def folder(self, given):
        (given / "model.safetensors").write_bytes(b"no weights")
        (given / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
        return given

    @pytest.mark.parametrize(
        "content",
        [
            b'{"max_position_embeddings": Infinity}',
            b'{"max_position_embeddings": 1e999}',
            b'{"max_position_embeddings": []}',
            b'{"model_type": "roberta", "max_position_embeddings": 64, "pad_token_id": "x"}',
            b"[" * 100_000,
            b"\xff\xfe",
            b'{"model_type": "' + b"x" * 5000 + b'"}',
            b"9" * 5000,
        ],
        ids=["infinite", "too large", "a list", "no padding", "deep", "no text", "long", "many digits"],
    )
    def test_a_config_that_is_none_is_told(self, folder, content):
        (folder / "config.json").write_bytes(content)

        line = refusal(lambda: resolve_encoder(folder))

        assert line.startswith(f"{folder / 'config.json'} is ")
        assert len(line) < 300 + len(str(folder))

    def test_weights_of_another_hash_are_refused_before_they_are_opened(self, folder):
        (folder / "config.json").write_text('{"max_position_embeddings": 64}')
        wanted = hashlib.sha256(b"the weights").hexdigest()

        assert f"sha256 wanted {wanted}, found " in refusal(lambda: resolve_encoder(folder, wanted))

    def test_a_name_that_no_folder_can_have_is_refused(self, folder):
        assert "File name too long" in refusal(lambda: resolve_encoder(folder / ("x" * 5000)))


# What the cache holds


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


class TestParsedReviews:
    @pytest.fixture
    def archive(self, given):
        return write_archive(given / "reviews.tar.gz", members())

    @pytest.fixture
    def entry(self, archive, cache):
        """The file of an archive that was parsed before."""
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
            entry.write_bytes(flipped(whole, place))

            assert read_aclimdb(archive, cache) == expected


NO_VOCABULARY = [b"", b"[", b"[" * 100_000, b'["\\ud800"]', b'["<pad>", "<unk>", "a", "a"]', b"\xff"]


@pytest.mark.parametrize("content", NO_VOCABULARY, ids=range(len(NO_VOCABULARY)))
def test_a_vocabulary_that_is_none_is_counted_again(corpus, cache, content):
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
        """The tokens of two reviews, as the cache gives them."""
        rows = [np.arange(3, dtype=np.int32), np.zeros(1, np.int32)]
        return lambda: cached_tokens(cache, "key", ["a b c", "d"], lambda _: rows)

    @pytest.fixture
    def entry(self, get, cache):
        """The folder where they lie already."""
        get()
        return cache / "tokens" / "key"

    @pytest.mark.parametrize("file", [TOKENS_FILE, OFFSETS_FILE])
    def test_a_bit_that_changed_is_never_taken_for_another_word(self, get, entry, file):
        whole = (entry / file).read_bytes()
        for place in range(len(whole)):
            (entry / file).write_bytes(flipped(whole, place))

            assert [get()[number].tolist() for number in range(2)] == [[0, 1, 2], [0]]

    @pytest.mark.parametrize("file", [TOKENS_FILE, OFFSETS_FILE])
    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04.", b"\x93NUMPY\x01\x00", b"garbage"])
    def test_garbage_is_made_again(self, get, entry, file, content):
        (entry / file).write_bytes(content)
        write_checksums(entry)  # by somebody who wants it to be read

        assert get().lengths.tolist() == [3, 1]

    def test_an_archive_in_the_place_of_an_array_is_made_again(self, get, entry):
        with (entry / OFFSETS_FILE).open("wb") as file:
            np.savez(file, np.array([0, 3, 4]))
        write_checksums(entry)

        assert get().lengths.tolist() == [3, 1]

    def test_nothing_is_unpickled(self, get, entry, tmp_path):
        class Evil:
            def __reduce__(self):
                return (os.mkdir, (str(tmp_path / "made"),))

        np.save(entry / OFFSETS_FILE, np.array([Evil()], dtype=object), allow_pickle=True)
        write_checksums(entry)

        assert get().lengths.tolist() == [3, 1]
        assert not (tmp_path / "made").exists()
