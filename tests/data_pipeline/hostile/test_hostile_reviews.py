"""Tables and reviews that an enemy, or a bad disk, has made: read as documented or refused in one line."""

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_pipeline.table import read_labelled
from data_pipeline.tokenization import WordPieceTokenizer, WordTokenizer
from tests.helpers.facts import assert_names
from tests.helpers.hostility import MILLION, damaged, outcome, refusal

PATIENCE = 30  # seconds in which a single review must be cut into tokens, on the slowest machine


def write_parquet(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


LABELS, AB = pa.array([0, 1]), pa.array(["a", "b"])


class TestTables:
    @pytest.mark.parametrize(
        ("columns", "facts"),
        [
            ({"text": pa.array([b"fine", b"caf\xe9"]).view(pa.string()), "label": LABELS}, ["UTF8"]),
            ({"text": pa.array(["fine", "a\0b"]), "label": LABELS}, ["row 2", "NUL"]),
            ({"text": pa.array([b"fine", b"x" * 5000]), "label": LABELS}, ["row 1", "text", "b'fine'"]),
            ({"text": pa.array([["fine"], ["x" * 5000]]), "label": LABELS}, ["row 1", "text", "['fine']"]),
            ({"text": AB, "label": pa.array([0, 10**15])}, ["row 2", "label", "'1000000000000000'"]),
            ({"text": AB, "label": pa.array([0.0, float("inf")])}, ["row 2", "label", "'inf'"]),
            ({"text": AB, "label": pa.array([0, 2**60]).cast(pa.timestamp("ms"))}, ["parquet"]),
            ({"text": pa.array([], pa.string()), "label": pa.array([], pa.int64())}, ["0", "0 reviews", "1"]),
            ({"text": pa.nulls(2), "label": pa.nulls(2)}, ["row 1", "text", "None"]),
        ],
        ids=["no UTF-8", "NUL", "bytes", "lists", "huge", "infinite", "no date", "empty", "nulls"],
    )
    def test_parquet_of_another_content_is_refused(self, given, columns, facts):
        path = write_parquet(given / "mine.parquet", **columns)

        line = refusal(lambda: read_labelled(path))

        assert_names(line, path, *facts)
        assert len(line) < 400 + len(str(path))

    def test_a_column_that_is_there_twice_is_refused(self, given):
        (given / "mine.csv").write_text("text,label,text\na,0,b\nc,1,d\n")
        double = pa.table([AB, LABELS, LABELS], names=["text", "label", "label"])
        pq.write_table(double, given / "mine.parquet")

        for name, columns in (("mine.csv", "text,label,text"), ("mine.parquet", "text,label,label")):
            assert_names(refusal(lambda name=name: read_labelled(given / name)), given / name, columns)

    def test_a_name_that_no_file_can_have_is_refused(self, given):
        assert "File name too long" in refusal(lambda: read_labelled(given / ("x" * 5000)))

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_whatever_bytes_change_it_is_read_or_refused(self, given, kind):
        path = given / f"mine.{kind}"
        if kind == "csv":
            path.write_text("text,label\n" + "".join(f'"a review, number {i}",{i % 2}\n' for i in range(40)))
        else:
            write_parquet(path, text=pa.array([f"number {i}" for i in range(40)]), label=pa.array([0, 1] * 20))
        refused = 0
        for content in damaged(path.read_bytes(), 100):
            path.write_bytes(content)
            refused += bool(outcome(lambda: read_labelled(path)))

        assert 5 < refused < 100


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
def test_a_review_of_a_million_characters_is_cut_in_reasonable_time(text, tokenizers):
    for tokenizer in tokenizers:
        started = time.perf_counter()
        [row] = tokenizer.encode([LONG[text]])
        assert time.perf_counter() - started < PATIENCE
        assert 1 <= len(row) <= MILLION


@pytest.fixture(scope="module")
def tokenizers(encoder_dir):
    return WordTokenizer.from_texts(["good film"], 10, 1), WordPieceTokenizer(encoder_dir)
