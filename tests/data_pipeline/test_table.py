"""One reader for every table of reviews: formats, delimiters, names of columns, spellings of labels."""

import bz2
import csv
import gzip
import io
import lzma
import os
import random
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.config import ColumnsConfig, LabelsConfig
from data_pipeline.table import read_labelled, read_rows
from tests.helpers.facts import assert_names
from tests.helpers.hostility import outcome, refusal

PAIRS = [("dull; very", 0), ("fine, really", 1), ('a "joke"\nof two lines', 0), ("  moving | tender\t", 1)]
CSV = 'text,label\n"dull; very",0\n"fine, really",1\n"a ""joke""\nof two lines",0\n"  moving | tender\t",1\n'
FRAME = pd.DataFrame(PAIRS, columns=["text", "label"])


def zipped(content: bytes, *more: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("__MACOSX/._reviews.csv", *more, "folder/reviews.csv"):
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    """read("reviews.csv", content, ...) is what the file of this name and content gives."""

    def of(name, content, *how):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_labelled(path, *how)

    return of


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("reviews.csv", CSV),
            ("reviews", CSV),
            ("REVIEWS.CSV", CSV.replace("\n", "\r\n").replace('joke""\r', 'joke""').encode("utf-8-sig")),
            ("reviews.csv.gz", gzip.compress(CSV.encode())),
            ("reviews.csv.BZ2", bz2.compress(CSV.encode())),
            ("reviews.csv.xz", lzma.compress(CSV.encode())),
            ("reviews.csv.zip", zipped(CSV.encode())),
            ("reviews.tsv", FRAME.to_csv(sep="\t", index=False)),
            ("reviews.csv", FRAME.to_csv(sep=";", index=False)),
            ("reviews.txt", FRAME.to_csv(sep="|", index=True)),
            ("reviews.jsonl", FRAME.to_json(orient="records", lines=True).replace("\n", "\n\n")),
            ("reviews.NDJSON.gz", gzip.compress(FRAME.to_json(orient="records", lines=True).encode())),
            ("reviews.json", FRAME.to_json(orient="records", indent=1)),
            ("reviews.json", FRAME.to_json(orient="records", lines=True)),
            ("REVIEWS.PARQUET", FRAME.to_parquet()),
            ("reviews.pq.gz", gzip.compress(FRAME.to_parquet())),
        ],
    )
    def test_each_is_read_alike(self, read, name, content):
        assert read(name, content) == PAIRS

    @pytest.mark.parametrize(
        ("name", "content", "facts"),
        [
            ("r.csv.gz", CSV, ["unpacked", ".gz"]),
            ("r.csv.gz", gzip.compress(CSV.encode())[:-9], ["unpacked"]),
            ("r.csv.zip", zipped(CSV.encode(), "another.csv"), ["unpacked", "2 files"]),
            ("r.csv", gzip.compress(CSV.encode()), ["line 1", "UTF-8", ".gz"]),
            ("r.xlsx", zipped(b"\0" * 9), ["line 1", "NUL", ".csv", ".parquet"]),
            ("r.jsonl", '{"text": "a", "label": 0}\n\n{"text": "b", \n', ["line 3", "JSON"]),
            ("r.jsonl", '{"text": "a", "label": 0}\n["b", 1]\n', ["line 2", "JSON object"]),
            ("r.jsonl", '{"text": "a", "label": 0}\n{"label": 1}\n', ["line 2", "None"]),
            ("r.jsonl", b'{"text": "a", "label": 0}\n{"text": "caf\xe9", "label": 1}\n', ["line 2", "UTF-8"]),
            ("r.jsonl", '{"text": "a", "label": 0}\n{"text": "\\ud800", "label": 1}\n', ["line 2", "UTF-8"]),
            ("r.jsonl", '{"text": "a", "label": [0]}\n', ["line 1", "label", "'[0]'"]),
            ("r.json", '[{"text": "a", "label": 0}, "b"]', ["row 2", "object"]),
            ("r.json", "[{]", ["JSON"]),
            ("r.json", "[" * 100_000, ["JSON"]),
            ("r.json", FRAME.to_json(), ["line 1", "{'0': 'dull"]),
            ("r.jsonl", "", ["no column text and no column label"]),
        ],
    )
    def test_what_cannot_be_read_is_refused_with_its_place(self, read, name, content, facts):
        assert_names(refusal(lambda: read(name, content)), name, *facts)


class TestColumns:
    @pytest.mark.parametrize(
        "header", ["text;label", "Text;Label", "text; label", "review;sentiment", "Sentence ;CLASS", '"text"; "label"']
    )
    def test_usual_names_are_found_in_any_letters_behind_any_delimiter(self, read, header):
        blank = " " if "; " in header else ""
        for delimiter in ";,\t|":
            content = f'{header}\n"a;b,c";{blank}"0"\nd;{blank}1\n'.replace(";", delimiter)

            assert read("r.csv", content) == [(f"a{delimiter}b,c".replace(";", delimiter), 0), ("d", 1)]

    def test_the_plain_name_goes_before_a_similar_one_and_two_similar_ones_are_refused(self, read):
        assert read("r.csv", "review,text,sentiment,label\nx,a,1,0\ny,b,0,1\n") == [("a", 0), ("b", 1)]
        assert_names(refusal(lambda: read("r.csv", "review,content,label\n")), "line 1", "more than one column text")

    def test_the_settings_name_others(self, read):
        content = "kommentar,text,urteil\na,x,0\nb,y,1\n"

        assert read("r.csv", content, ColumnsConfig(text="Kommentar", label="urteil")) == [("a", 0), ("b", 1)]
        line = refusal(lambda: read("r.csv", content, ColumnsConfig(text="none")))
        assert_names(line, "no column none and no column label", "--set data.columns.text=NAME")


class TestLabels:
    @pytest.mark.parametrize(
        ("negative", "positive"),
        [
            ("0", "1"),
            ("0.0", "1.0"),
            (" 0", "1 "),
            ("00", "01"),
            ("False", "True"),
            ("neg", "POS"),
            ("Negative", "positive"),
        ],
    )
    def test_usual_spellings_are_read_alike_from_every_format(self, read, negative, positive):
        frame = pd.DataFrame({"text": ["a", "b"], "label": [negative, positive]})

        for name, content in (
            ("r.csv", frame.to_csv(index=False)),
            ("r.jsonl", frame.to_json(orient="records", lines=True)),
            ("r.parquet", frame.to_parquet()),
        ):
            assert read(name, content) == [("a", 0), ("b", 1)]

    @pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0], [False, True]])
    def test_numbers_and_truth_values_of_typed_formats_are_read(self, read, labels):
        frame = pd.DataFrame({"text": ["a", "b"], "label": labels})

        assert read("r.jsonl", frame.to_json(orient="records", lines=True)) == [("a", 0), ("b", 1)]
        assert read("r.parquet", frame.to_parquet()) == [("a", 0), ("b", 1)]

    def test_the_settings_say_what_others_mean(self, read):
        words = LabelsConfig(negative=[1, 2, False], positive=("good", 5))

        assert [label for _, label in read("r.csv", "text,label\na,2.0\nb,Good\nc,5\nd,No\n", None, words)] == [
            0,
            1,
            1,
            0,
        ]
        line = refusal(lambda: read("r.csv", "text,label\na,1\nb,3\n", None, words))
        assert_names(line, "r.csv, line 3", "'3'", "1 (negative)", "good (positive)", "--set data.labels.negative=")
        with pytest.raises(ValueError, match="0"):
            LabelsConfig(negative=["0.0"], positive=[0])

    def test_a_missing_label_is_told_on_its_own_row(self, read):
        assert_names(refusal(lambda: read("r.csv", "text,label\na,0.0\nb,\nc,1.0\n")), "line 3", "label is empty")
        frame = pd.DataFrame({"text": ["a", "b", "c"], "label": [0, None, 1]})
        assert_names(refusal(lambda: read("r.parquet", frame.to_parquet())), "row 2", "label is empty")


def test_other_columns_are_read_where_they_are_wanted_and_two_of_one_name_are_kept(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("note,text,note\nx,a,y\n")
    [row] = read_rows(path, {"text": ("text",)}, others=True)

    assert row.others == {"note": "x", "note.1": "y"}
    path.write_text("a,text,a.1,a\n1,t,2,3\n")
    assert read_rows(path, {"text": ("text",)}, others=True)[0].others == {"a": "1", "a.1": "2", "a.2": "3"}
    assert read_rows(path, {"text": ("text",)})[0].others == {}
    path.write_bytes(b"note,text\ncaf\xe9,a\n")
    assert_names(read_rows(path, {"text": ("text",)}, others=True)[0].fault, "column note", "UTF-8")
    assert read_rows(path, {"text": ("text",)})[0].fault == ""
    path = path.rename(tmp_path / "r.jsonl")
    path.write_text('{"text": "a", "\\ud800": 1}\n')
    assert_names(refusal(lambda: read_rows(path, {"text": ("text",)})), "r.jsonl", "columns", "UTF-8")


def test_rows_without_any_value_are_skipped(read):
    assert read("r.csv", "text,label\na,0\n\n  \n,\n , \nb,1\n") == [("a", 0), ("b", 1)]


# Made-up tables and damage: 100 of each, or as many as TABLES says, other ones each time:
#     TABLES=10000 .venv/bin/python -m pytest -n0 tests/data_pipeline/test_table.py -k MadeUp

MADE_UP = settings(
    max_examples=int(os.environ.get("TABLES", "100")),
    derandomize="TABLES" not in os.environ,
    deadline=None,
    database=None,
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).filter(str.strip)
SPELLINGS = [("0", "1"), ("0.0", "1.0"), ("False", "true"), ("neg", "POS"), (" negative ", "positive")]
ENDINGS = ["csv", "csv.gz", "tsv", "txt", "csv.zip", "jsonl", "json", "json.xz", "parquet", "parquet.bz2"]


@st.composite
def made_up_tables(draw) -> tuple[list[tuple[str, int]], str, bytes]:
    """Draw the reviews, the name of a file, and its content."""
    pairs = [*draw(st.lists(st.tuples(TEXTS, st.integers(0, 1)), max_size=8)), ("bad", 0), ("good", 1)]
    text, label = draw(st.sampled_from([("text", "label"), ("Review", "Sentiment"), ("content", "class")]))
    spelling, ending = draw(st.sampled_from(SPELLINGS)), draw(st.sampled_from(ENDINGS))
    frame = pd.DataFrame(
        {"more": range(len(pairs)), text: [each for each, _ in pairs], label: [spelling[each] for _, each in pairs]}
    )
    delimiter = "\t" if ending == "tsv" else draw(st.sampled_from(",;\t|"))
    if ending.startswith("json"):
        content = frame.to_json(orient="records", lines=ending == "jsonl").encode()
    elif ending.startswith("parquet"):
        content = frame.to_parquet()
    elif draw(st.booleans()):
        quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
        content = frame.to_csv(index=False, sep=delimiter, quoting=quoting, lineterminator="\r\n").encode("utf-8-sig")
    else:
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter).writerows([frame.columns, *frame.itertuples(index=False)])
        content = file.getvalue().encode()
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": zipped}.get(Path(ending).suffix)
    return pairs, f"reviews.{ending}", pack(content) if pack else content


@pytest.mark.process
class TestMadeUp:
    @MADE_UP
    @given(made_up_tables())
    def test_tables_of_every_format_are_read_equal(self, table):
        pairs, name, content = table
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_bytes(content)

            assert read_labelled(path) == pairs

    @MADE_UP
    @given(made_up_tables(), st.randoms(use_true_random=False), st.binary(max_size=20))
    def test_damaged_tables_are_read_or_refused_in_one_line(self, table, chance: random.Random, put):
        _, name, content = table
        place = chance.randrange(len(content))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_bytes(content[:place] + put + content[place + chance.choice([0, len(put), len(content)]) :])

            assert len(outcome(lambda: read_labelled(path))) < 250 + len(str(path))
