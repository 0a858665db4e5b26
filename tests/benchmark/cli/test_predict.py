"""`predict`: which run answers, where the reviews come from, and what is printed."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.cli.main import main
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.trained import Trained, record

ROOT = Path(__file__).resolve().parents[3]
GOOD, BAD = "a wonderful film , moving and clever .", "an awful waste , boring and dull ."


@dataclass(frozen=True)
class Recorded:
    """A store with one finished run."""

    uri: str
    trained: Trained
    run_id: str


@dataclass(frozen=True)
class Called:
    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]

    def assert_refused(self, *facts: object) -> None:
        """One error line has the facts, and nothing else is printed."""
        assert (self.status, self.out) == (2, "")
        [line] = error_lines(self.err)
        assert_names(line, *facts)


@pytest.fixture(scope="module")
def all_recorded() -> list[Recorded]:
    """The one store that all tests read, once it is made."""
    return []


@pytest.fixture
def recorded(all_recorded, trained_as, empty_database, tmp_path_factory) -> Recorded:
    if not all_recorded:
        folder, trained = tmp_path_factory.mktemp("recorded"), trained_as("rnn")
        uri = f"sqlite:///{shutil.copy(empty_database, folder / 'mlflow.db')}"
        all_recorded.append(Recorded(uri, trained, record(TrackingStore(uri, folder), trained)))
    return all_recorded[0]


@pytest.fixture
def predict(recorded, tmp_path, capsys, monkeypatch):
    """predict("--model", "rnn", stdin=b"...") is the command called in an empty folder."""
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: str, stdin: bytes = b"", uri: str = recorded.uri) -> Called:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        status = main(["predict", "--tracking-uri", uri, *arguments])
        return Called(status, *capsys.readouterr())

    return call


@pytest.fixture
def table(tmp_path):
    """table(b"text\\n...") is the name of a CSV of these bytes in the working directory."""

    def write(content: bytes) -> str:
        (tmp_path / "reviews.csv").write_bytes(content)
        return "reviews.csv"

    return write


class TestAnswers:
    def test_they_are_the_recorded_test_predictions(self, recorded, predict, tmp_path):
        with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text"], *([text] for text in recorded.trained.texts)])
        called = predict("--model", "rnn", "--input", "reviews.csv", "--json")
        expected = torch.from_numpy(recorded.trained.predictions.logits).double().softmax(dim=1).numpy()

        assert called.status == 0
        found = [[each["probability_negative"], each["probability_positive"]] for each in called.objects]
        assert np.array_equal(found, expected)
        assert [each["text"] for each in called.objects] == recorded.trained.texts
        assert [each["line"] for each in called.objects] == list(range(2, 62))

    def test_a_table_is_printed_and_on_standard_error_where_it_is_from(self, predict, recorded):
        called = predict("--model", "rnn", GOOD, BAD)
        header, _, *lines = called.out.splitlines()
        loss, accuracy = recorded.trained.metrics["best_val_loss"], recorded.trained.metrics["best_val_accuracy"]

        assert called.status == 0
        assert header.split() == ["line", "label", "P(negative)", "P(positive)", "text"]
        assert [line.split(maxsplit=4)[::4] for line in lines] == [["1", GOOD], ["2", BAD]]
        [origin] = called.err.splitlines()
        assert_names(origin, "rnn seed 1", recorded.run_id, f"{loss:.4f}", f"{100 * accuracy:.2f} %")

    def test_each_line_of_json_is_one_review(self, predict):
        [first, second] = predict("--model", "rnn", "--json", GOOD, BAD).objects

        assert list(first) == ["line", "label", "probability_negative", "probability_positive", "text"]
        assert (first["line"], first["text"], second["line"], second["text"]) == (1, GOOD, 2, BAD)
        assert first["probability_negative"] + first["probability_positive"] == pytest.approx(1)

    def test_a_file_holds_what_would_be_printed(self, predict, tmp_path):
        text = 'two\nlines, a "quote"\rand a return'
        objects = predict("--model", "rnn", "--json", GOOD, text).objects
        called = predict("--model", "rnn", "--output", "out/answers.csv", GOOD, text)
        with (tmp_path / "out" / "answers.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))

        assert (called.status, called.out) == (0, "")
        assert rows == [{key: str(value) for key, value in each.items()} for each in objects]

    def test_what_a_terminal_would_obey_is_not_printed(self, predict):
        called = predict("--model", "rnn", "red \x1b[31malert\x1b[0m \x9b2J \u202eflipped\nnew line\tand tab")
        [line] = called.out.splitlines()[2:]

        assert not set(line) & set("\x1b\x9b\u202e\t\r")
        assert r"red \x1b[31malert\x1b[0m" in line

        called = predict("--model", "rnn", "--json", "\x1b[31m \x9b \u2028")
        assert called.out.isascii()
        assert "\x1b" not in called.out

    def test_long_texts_are_cut_to_the_terminals_width(self, predict, monkeypatch):
        monkeypatch.setenv("COLUMNS", "100")
        called = predict("--model", "rnn", "word " * 1000)

        assert max(len(line) for line in called.out.splitlines()) <= 100
        assert called.out.endswith("…\n")


class TestWhichRun:
    @pytest.fixture
    def store(self, store_uri, tmp_path) -> TrackingStore:
        return TrackingStore(store_uri, tmp_path / "cache")

    @pytest.fixture
    def without_model(self, store, recorded):
        """without_model("0" * 16, best_val_loss=0.1) is the id of a finished run that has this fingerprint."""

        def finish(fingerprint: str, **metrics: float) -> str:
            parent = store.open_plan(recorded.trained.plan.record)
            labels = run_tags(parent=parent, experiment="rnn", seed=1, fingerprint=fingerprint)
            tracker = store.start_run("quick", "rnn seed 1", labels)
            tracker.log_metrics(recorded.trained.metrics | metrics)
            tracker.finish(Status.FINISHED)
            return tracker.run_id

        return finish

    def test_the_finished_one_of_lowest_val_loss_or_the_one_named_by_the_beginning_of_its_id(
        self, store, recorded, without_model, predict, store_uri
    ):
        trained = recorded.trained
        worse = record(store, trained, seed=1, best_val_loss=0.5, **{"test/accuracy": 0.99})
        best = record(store, trained, seed=2, best_val_loss=0.4, **{"test/accuracy": 0.1})
        record(store, trained, seed=3, best_val_loss=0.3, status=Status.FAILED)
        record(store, trained, seed=4, best_val_loss=0.2, status=Status.RUNNING)
        killed = record(store, trained, status=Status.KILLED)
        without_model("0" * 16, best_val_loss=0.1)  # of settings that the plan has no more

        assert_names(predict("--model", "rnn", GOOD, uri=store_uri).err, best, "0.4000")
        assert worse in predict("--run", worse[:8], GOOD, uri=store_uri).err
        predict("--run", killed, GOOD, uri=store_uri).assert_refused(killed, "rnn seed 1", "killed")

    def test_a_model_run_or_store_that_is_not_there_is_refused(self, predict, tmp_path):
        for arguments, facts in (
            (["--model", "rnm"], ["--model rnm", "quick", "rnn"]),
            (["--model", "lstm"], ["--model lstm", "run lstm --profile quick"]),
            (["--model", "rnn", "--profile", "paper"], ["run all --profile paper"]),
            (["--run", "nothing"], ["nothing"]),
        ):
            predict(*arguments, GOOD).assert_refused(*facts)
        predict("--model", "rnn", GOOD, uri=f"sqlite:///{tmp_path / 'none.db'}").assert_refused("none.db")
        assert not (tmp_path / "none.db").exists()

    def test_a_run_without_a_model_is_named(self, recorded, without_model, predict, store_uri):
        run_id = without_model(recorded.trained.planned.fingerprint)
        called = predict("--model", "rnn", GOOD, uri=store_uri)

        assert (called.status, called.out) == (2, "")
        assert_names(called.err.splitlines()[-1], "error: ", run_id, "model")


class TestStandardInput:
    def test_each_line_is_a_review_also_the_last_without_an_end(self, predict):
        for arguments, stdin in (([], f"{GOOD}\r\n{BAD}\n"), (["-"], f"{GOOD}\n{BAD}")):
            called = predict("--model", "rnn", "--json", *arguments, stdin=stdin.encode())

            assert called.status == 0
            assert [(each["line"], each["text"]) for each in called.objects] == [(1, GOOD), (2, BAD)]

    def test_a_bad_line_is_named_and_the_rest_is_answered(self, predict):
        stdin = b"fine\n \n\xff\xfe\na\0b\none\xe2\x80\xa8review\x0bhere\nwithout an end"
        called = predict("--model", "rnn", "--json", stdin=stdin)

        assert called.status == 1
        assert [each["line"] for each in called.objects] == [1, 5, 6]
        assert called.objects[1]["text"] == "one\u2028review\x0bhere"
        for line, facts in zip(called.err.splitlines()[:2], [("3", "UTF-8"), ("4", "NUL")], strict=True):
            assert_names(line, "standard input, line " + facts[0], *facts)

    def test_blank_lines_are_no_fault(self, predict):
        called = predict("--model", "rnn", "--json", stdin=f"{GOOD}\n\n \t\n{BAD}\n\n".encode())

        assert called.status == 0
        assert [each["line"] for each in called.objects] == [1, 4]

    def test_no_review_at_all_is_wrong_use(self, predict):
        for stdin in (b"", b"  \n\n"):
            called = predict("--model", "rnn", stdin=stdin)

            assert (called.status, called.out) == (2, "")
            assert_names(called.err.splitlines()[-1], "error: ", "--input FILE")


class TestTable:
    def test_other_columns_and_a_byte_order_mark_are_no_matter(self, predict, table):
        name = table(b"\xef\xbb\xbftext,stars\r\n" + f'"{GOOD}",10\r\n"{BAD}",1\r\n'.encode())
        called = predict("--model", "rnn", "--json", "--input", name)

        assert called.status == 0
        assert [(each["line"], each["text"]) for each in called.objects] == [(2, GOOD), (3, BAD)]

    def test_columns_of_the_user_are_kept_beside_the_answers(self, predict, tmp_path):
        rows = {"id": ["007", "8"], "label": [1, 0], "review": [GOOD, BAD], "seen": [pd.Timestamp("2020-01-02"), None]}
        pd.DataFrame(rows).to_csv(tmp_path / "r.csv", sep=";", index=False)
        pd.DataFrame(rows).to_parquet(tmp_path / "r.parquet")
        pd.DataFrame(rows).to_json(tmp_path / "r.jsonl.gz", orient="records", lines=True)
        ours = ["line", "label", "probability_negative", "probability_positive", "text"]
        for name in ("r.csv", "r.parquet", "r.jsonl.gz"):
            called = predict("--model", "rnn", "--input", name, "--output", "out.csv")
            out = pd.read_csv(tmp_path / "out.csv", dtype=str)

            assert called.status == 0, called.err
            assert list(out) == [*ours, "id", "input_label", "seen"]
            assert list(out["id"]) == ["007", "8"]
            assert list(out["input_label"]) == ["1", "0"]
            assert list(out["text"]) == [GOOD, BAD]
            [first, second] = predict("--model", "rnn", "--input", name, "--json").objects
            assert (first["id"], str(second["input_label"]), second["text"]) == ("007", "0", BAD)

    def test_the_column_of_texts_can_be_named(self, predict, table):
        name = table(b"text,kommentar\n1,fine\n2,bad\n")
        called = predict("--model", "rnn", "--json", "--input", name, "--text-column", "kommentar")

        assert [(each["text"], each["input_text"]) for each in called.objects] == [("fine", "1"), ("bad", "2")]
        predict("--model", "rnn", "--input", name, "--text-column", "x").assert_refused("no column x", "--text-column")

    def test_a_bad_row_is_named_by_its_line_and_the_rest_is_answered(self, predict, table):
        rows = [
            (b"id,text", None, []),
            (b"1,fine", None, []),
            (b"2,", "line 3", []),
            (b"3", "line 4", ["1", "2"]),
            (b"4,one,two", "line 5", ["3", "2"]),
            (b"", None, []),
            (b"5,caf\xe9", "line 7", ["UTF-8"]),
            (b'6,"two\nlines"', None, []),
            (b'7,"a"b', "line 10", ["quotes"]),
            (b"8,a\0b", "line 11", ["NUL"]),
            (b"9," + b"word " * 50_000, None, []),
            (b'9,"open\nnext\nlast', "line 13 to 15", ["quotes"]),  # swallowed by the quote
        ]
        name = table(b"\n".join(row for row, *_ in rows) + b"\n")
        called = predict("--model", "rnn", "--json", "--input", name)
        bad = [(place, facts) for _, place, facts in rows if place]

        assert called.status == 1
        assert [each["line"] for each in called.objects] == [2, 8, 12]
        assert called.objects[1]["text"] == "two\nlines"
        for line, (place, facts) in zip(called.err.splitlines()[: len(bad)], bad, strict=True):
            assert line.startswith(f"{name}, {place}: ")
            assert_names(line, *facts)

    @pytest.mark.parametrize(
        ("content", "facts"),
        [
            (b"words\nfine\n", ["reviews.csv, line 1", "text", "'words'", "--text-column"]),
            (b'"te"xt\nfine\n', ["reviews.csv, line 1", "quotes"]),
            (b"text,text\nfine,bad\n", ["reviews.csv, line 1", "text"]),
            (b"text\n", ["--input FILE"]),
            (b"", ["reviews.csv, line 1", "text"]),
        ],
    )
    def test_a_table_without_reviews_is_wrong_use(self, predict, table, content, facts):
        predict("--model", "rnn", "--input", table(content)).assert_refused(*facts)

    def test_a_missing_file_or_texts_beside_a_table_are_wrong_use(self, predict, table):
        predict("--model", "rnn", "--input", "none.csv").assert_refused("none.csv", "No such file")
        predict("--model", "rnn", "--input", table(b"text\nfine\n"), GOOD).assert_refused("--input", "texts")


def test_bytes_of_a_shell_that_are_no_utf8_are_a_bad_text(predict):
    called = predict("--model", "rnn", "--json", "fine", os.fsdecode(b"caf\xe9"))

    assert called.status == 1
    assert_names(called.err.splitlines()[0], "text 2", "UTF-8")


def test_a_model_or_a_run_must_be_named(predict, capsys):
    with pytest.raises(SystemExit) as ended:
        predict(GOOD)

    assert ended.value.code == 2
    assert_names(capsys.readouterr().err, "--model", "--run")


def test_a_recurrent_model_answers_without_transformers(recorded, tmp_path):
    code = (
        "import sys; from benchmark.cli.main import main; status = main(sys.argv[1:]); "
        "assert 'transformers' not in sys.modules; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", "--tracking-uri", recorded.uri, "--model", "rnn", "--json", GOOD],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] == GOOD
