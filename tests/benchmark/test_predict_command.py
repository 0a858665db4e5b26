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
import pytest
import torch
from mlflow import MlflowClient

from benchmark.cli import main
from benchmark.records import Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from tests.helpers.trained import Trained, record

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture(scope="module")
def all_recorded() -> dict[str, Recorded]:
    return {}


@pytest.fixture
def recorded_as(all_recorded, trained_as, empty_database, tmp_path_factory):
    def get(name: str) -> Recorded:
        if name not in all_recorded:
            folder = tmp_path_factory.mktemp("recorded")
            uri = f"sqlite:///{shutil.copy(empty_database, folder / 'mlflow.db')}"
            trained = trained_as(name)
            all_recorded[name] = Recorded(uri, trained, record(TrackingStore(uri, folder), trained))
        return all_recorded[name]

    return get


@pytest.fixture
def recorded(recorded_as) -> Recorded:
    return recorded_as("rnn")


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
    @pytest.mark.parametrize("name", ["rnn", "bert-finetuned"])
    def test_they_are_the_recorded_test_predictions(self, recorded_as, predict, tmp_path, name):
        recorded = recorded_as(name)
        with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text"], *([text] for text in recorded.trained.texts)])
        called = predict("--model", name, "--input", "reviews.csv", "--json", uri=recorded.uri)
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
        assert called.err == (
            f"rnn seed 1 (MLflow run {recorded.run_id}, val loss {loss:.4f}, val accuracy {100 * accuracy:.2f} %)\n"
        )

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

    def test_a_file_that_cannot_be_written_is_told(self, predict, tmp_path):
        (tmp_path / "answers.csv").mkdir()
        called = predict("--model", "rnn", "--output", "answers.csv", GOOD)

        assert called.status == 2
        assert called.err.splitlines()[-1] == "error: answers.csv: cannot be written: Is a directory"

    def test_what_a_terminal_would_obey_is_not_printed(self, predict):
        called = predict("--model", "rnn", "red \x1b[31malert\x1b[0m \x9b2J \u202eflipped\nnew line\tand tab")
        [line] = called.out.splitlines()[2:]

        assert not set(line) & set("\x1b\x9b\u202e\t\r")
        assert line.endswith(
            "red \N{REPLACEMENT CHARACTER}[31malert\N{REPLACEMENT CHARACTER}[0m "
            "\N{REPLACEMENT CHARACTER}2J \N{REPLACEMENT CHARACTER}flipped new line and tab"
        )

    def test_long_texts_are_cut_to_the_terminals_width(self, predict, monkeypatch):
        monkeypatch.setenv("COLUMNS", "100")
        called = predict("--model", "rnn", "word " * 1000)

        assert max(len(line) for line in called.out.splitlines()) <= 100
        assert called.out.endswith("…\n")

    def test_json_obeys_no_escape_code_either(self, predict):
        called = predict("--model", "rnn", "--json", "\x1b[31m \x9b \u2028")

        assert called.out.isascii()
        assert "\x1b" not in called.out


class TestWhichRun:
    @pytest.fixture
    def store(self, store_uri, tmp_path) -> TrackingStore:
        return TrackingStore(store_uri, tmp_path / "cache")

    def test_the_finished_one_of_lowest_val_loss(self, store, recorded, predict, store_uri):
        trained = recorded.trained
        record(store, trained, seed=1, best_val_loss=0.5, **{"test/accuracy": 0.99})
        best = record(store, trained, seed=2, best_val_loss=0.4, **{"test/accuracy": 0.1})
        record(store, trained, seed=3, best_val_loss=0.3, status=Status.FAILED)
        record(store, trained, seed=4, best_val_loss=0.2, status=Status.RUNNING)

        assert f"MLflow run {best}, val loss 0.4000" in predict("--model", "rnn", GOOD, uri=store_uri).err

    def test_settings_that_the_latest_plan_has_no_more_are_left_out(self, store, recorded, predict, store_uri):
        best = record(store, recorded.trained, best_val_loss=0.5)
        parent = store.open_plan(recorded.trained.plan.record)
        other = store.start_run("quick", "rnn", run_tags(parent=parent, experiment="rnn", seed=1, fingerprint="0" * 16))
        other.log_metrics({"best_val_loss": 0.1})
        other.finish(Status.FINISHED)

        assert f"MLflow run {best}" in predict("--model", "rnn", GOOD, uri=store_uri).err

    def test_the_one_that_is_named_by_the_beginning_of_its_id(self, store, recorded, predict, store_uri):
        worse = record(store, recorded.trained, seed=1, best_val_loss=0.9)
        record(store, recorded.trained, seed=2, best_val_loss=0.1)

        assert f"MLflow run {worse}" in predict("--run", worse[:8], GOOD, uri=store_uri).err

    def test_a_run_that_is_not_finished_is_refused(self, store, recorded, predict, store_uri):
        run_id = record(store, recorded.trained, status=Status.KILLED)
        called = predict("--run", run_id, GOOD, uri=store_uri)

        assert called == Called(2, "", f"error: run {run_id} (rnn seed 1) is killed, not finished; choose another\n")

    def test_an_unknown_run_is_refused(self, predict):
        called = predict("--run", "nothing", GOOD)

        assert called.status == 2
        assert called.err.startswith("error: no runs have an id that begins with 'nothing'")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--model", "rnm"], "--model rnm: profile 'quick' has no such experiment; did you mean 'rnn'?"),
            (
                ["--model", "lstm"],
                "--model lstm: no run of it is finished; `python -m benchmark run lstm --profile quick` makes one",
            ),
            (
                ["--model", "rnn", "--profile", "paper"],
                "no run of profile 'paper' is recorded here; `python -m benchmark run all --profile paper` makes them",
            ),
        ],
    )
    def test_a_model_that_is_not_there_is_told(self, predict, arguments, message):
        assert predict(*arguments, GOOD) == Called(2, "", f"error: {message}\n")

    def test_no_store_is_made(self, predict, tmp_path):
        called = predict("--model", "rnn", GOOD, uri=f"sqlite:///{tmp_path / 'none.db'}")

        assert called.status == 2
        assert "there is no store" in called.err
        assert not (tmp_path / "none.db").exists()

    def test_changed_weights_are_refused(self, store, recorded, predict, store_uri):
        run_id = record(store, recorded.trained)
        client = MlflowClient(store_uri)
        [model] = client.search_logged_models([client.get_run(run_id).info.experiment_id])
        [weights] = Path(model.artifact_location.removeprefix("file://")).rglob("weights.safetensors")
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
        called = predict("--model", "rnn", GOOD, uri=store_uri)

        assert (called.status, called.out) == (2, "")
        assert f"error: run {run_id} (rnn seed 1): {weights} is not what was saved: sha256 wanted" in called.err

    def test_a_run_without_a_model_is_told(self, store, recorded, predict, store_uri):
        trained = recorded.trained
        parent = store.open_plan(trained.plan.record)
        labels = run_tags(parent=parent, experiment="rnn", seed=1, fingerprint=trained.planned.fingerprint)
        tracker = store.start_run("quick", "rnn seed 1", labels)
        tracker.log_metrics(trained.metrics)
        tracker.finish(Status.FINISHED)
        called = predict("--model", "rnn", GOOD, uri=store_uri)

        assert called.status == 2
        assert called.err.splitlines()[-1].startswith(f"error: run {tracker.run_id} has no model; ")


class TestStandardInput:
    @pytest.mark.parametrize("arguments", [[], ["-"]])
    def test_each_line_is_a_review(self, predict, arguments):
        called = predict("--model", "rnn", "--json", *arguments, stdin=f"{GOOD}\r\n{BAD}\n".encode())

        assert called.status == 0
        assert [(each["line"], each["text"]) for each in called.objects] == [(1, GOOD), (2, BAD)]

    def test_a_last_line_without_an_end_counts(self, predict):
        assert len(predict("--model", "rnn", "--json", stdin=f"{GOOD}\n{BAD}".encode()).objects) == 2

    def test_bad_lines_are_told_and_the_rest_is_done(self, predict):
        called = predict("--model", "rnn", "--json", stdin=b"fine\n\n\xff\xfe\na\0b\nfine too\n")

        assert called.status == 1
        assert [each["line"] for each in called.objects] == [1, 5]
        assert called.err.splitlines()[:3] == [
            "standard input, line 2: the text is empty; left out",
            "standard input, line 3: not UTF-8; save the input in UTF-8; left out",
            "standard input, line 4: a NUL byte; save the input in UTF-8 (UTF-16 looks like this); left out",
        ]

    @pytest.mark.parametrize("stdin", [b"", b"\n", b"  \n\n"])
    def test_nothing_at_all_is_wrong_use(self, predict, stdin):
        called = predict("--model", "rnn", stdin=stdin)

        assert (called.status, called.out) == (2, "")
        assert called.err.splitlines()[-1].startswith("error: there is no usable review; give texts, --input FILE")

    def test_a_unicode_line_separator_ends_no_line(self, predict):
        [answer] = predict("--model", "rnn", "--json", stdin="one\u2028review\x0bhere\n".encode()).objects

        assert answer["text"] == "one\u2028review\x0bhere"


class TestTable:
    def test_other_columns_and_a_byte_order_mark_are_no_matter(self, predict, table):
        name = table(b"\xef\xbb\xbftext,stars\r\n" + f'"{GOOD}",10\r\n"{BAD}",1\r\n'.encode())
        called = predict("--model", "rnn", "--json", "--input", name)

        assert called.status == 0
        assert [(each["line"], each["text"]) for each in called.objects] == [(2, GOOD), (3, BAD)]

    def test_bad_rows_are_told_by_line_and_the_rest_is_done(self, predict, table):
        rows = [
            b"id,text",
            b"1,fine",
            b"2,",
            b"3",
            b"4,one,two",
            b"",
            b"5,caf\xe9",
            b'6,"two\nlines"',
            b'7,"a"b',
            b"8,a\0b",
            b"9," + b"word " * 50_000,
        ]
        called = predict("--model", "rnn", "--json", "--input", table(b"\n".join(rows) + b"\n"))
        width = "where the header has 2; put texts with commas or line breaks in double quotes; left out"

        assert called.status == 1
        assert [each["line"] for each in called.objects] == [2, 8, 12]
        assert called.objects[1]["text"] == "two\nlines"
        assert called.err.splitlines()[:7] == [
            "reviews.csv, line 3: the text is empty; left out",
            f"reviews.csv, line 4: 1 fields {width}",
            f"reviews.csv, line 5: 3 fields {width}",
            "reviews.csv, line 6: the row is empty; left out",
            "reviews.csv, line 7: not UTF-8; save the input in UTF-8; left out",
            "reviews.csv, line 10: ',' expected after '\"'; check the quotes around the text; left out",
            "reviews.csv, line 11: a NUL byte; save the input in UTF-8 (UTF-16 looks like this); left out",
        ]

    def test_an_open_quote_costs_the_lines_that_it_swallows(self, predict, table):
        called = predict("--model", "rnn", "--json", "--input", table(b'text\nfine\n"open\nnext\nlast\n'))

        assert called.status == 1
        assert [each["text"] for each in called.objects] == ["fine"]
        assert called.err.startswith(
            "reviews.csv, line 3 to 5: unexpected end of data; check the quotes around the text; left out\n"
        )

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"review\nfine\n", "reviews.csv, line 1: no column text; the header is 'review'"),
            (b'"te"xt\nfine\n', "reviews.csv, line 1: ',' expected after '\"'; check the quotes of the header"),
            (b"text,text\nfine,bad\n", "reviews.csv, line 1: column text stands here twice; remove one"),
            (b"text\n", "there is no usable review; give texts, --input FILE, or lines on standard input"),
            (b"", "there is no usable review; give texts, --input FILE, or lines on standard input"),
        ],
    )
    def test_a_table_without_reviews_is_wrong_use(self, predict, table, content, message):
        assert predict("--model", "rnn", "--input", table(content)) == Called(2, "", f"error: {message}\n")

    def test_a_file_that_is_not_there_is_told(self, predict):
        assert predict("--model", "rnn", "--input", "none.csv") == Called(
            2, "", "error: --input none.csv: cannot be read: No such file or directory; check the name\n"
        )

    def test_texts_and_a_table_at_once_are_wrong_use(self, predict, table):
        called = predict("--model", "rnn", "--input", table(b"text\nfine\n"), GOOD)

        assert called == Called(2, "", "error: --input and texts are given; choose one of them\n")


def test_bytes_of_a_shell_that_are_no_utf8_are_a_bad_text(predict):
    called = predict("--model", "rnn", "--json", "fine", os.fsdecode(b"caf\xe9"))

    assert called.status == 1
    assert called.err.startswith("text 2: not UTF-8; save the input in UTF-8; left out\n")


def test_a_model_or_a_run_must_be_named(predict, capsys):
    with pytest.raises(SystemExit) as ended:
        predict(GOOD)

    assert ended.value.code == 2
    assert "one of the arguments --model --run is required" in capsys.readouterr().err


def test_a_recurrent_model_answers_without_transformers(recorded, tmp_path):
    code = (
        "import sys; from benchmark.cli import main; status = main(sys.argv[1:]); "
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
