"""`report --format html`: the page in a folder and in the record, of a store or an export, with or without texts."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from benchmark.results.read import files_of, read_details, read_results
from benchmark.tracking.challenges import challenge_scores, write_challenge
from benchmark.tracking.explanations import Explanations, write_explanations
from benchmark.tracking.records import PlanRecord, PlanRow
from data_pipeline.review import review_ids
from tests.benchmark.results.test_export import LSTM, RNN, explanation, finished, forge
from tests.helpers.challenge import PAIRS, made_set
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded import Made, epoch

TEXTS = [f"Review number {number}, <b>&</b> all." for number in range(8)]


@pytest.fixture
def table(tmp_path) -> Path:
    """The reviews that the runs read; their labels are those of the made-up predictions."""
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *((text, number % 2) for number, text in enumerate(TEXTS))])
    return path


@pytest.fixture
def recorded(store, table):
    """Two finished runs about these reviews."""
    rows = tuple(PlanRow(name, mark, None, None, 100, "s") for name, mark in (("lstm", LSTM), ("rnn", RNN)))
    store.open_plan(PlanRecord("quick", (1,), rows, "reviews", False, 10, 8))
    settings = {"data": {"source": "table", "path": str(table)}, "model": {"name": "lstm"}}
    settings["challenges"] = {"pairs": {"source": "table", "path": str(table.parent / "pairs.csv")}}
    for name, mark, right in (("lstm", LSTM, 7), ("rnn", RNN, 5)):
        made: Made = finished(name, mark, right)
        known = made.predictions.assign(
            id=review_ids([(text, number % 2) for number, text in enumerate(TEXTS)]),
            truncated=[number > 5 for number in range(8)],
            also_in_train=[number == 0 or (name == "rnn" and number == 1) for number in range(8)],
        )
        replace(made, settings=settings, predictions=known, epochs=[epoch(1), epoch(2)]).record(store)
    return store


def page_of(call, folder: Path, *arguments: str) -> str:
    status, out, err = call("report", "--format", "html", "--output", str(folder), *arguments)
    assert (status, out, err.count("\n")) == (0, "", 1)
    assert_names(err, f"{folder}/index.html")
    return (folder / "index.html").read_text(encoding="utf-8")


def kept(store_uri) -> list[str]:
    """What lies under `report/` of the plan's run."""
    client = MlflowClient(store_uri)
    (experiment,) = [each for each in client.search_experiments() if each.name == "imdb-quick"]
    (plan,) = client.search_runs([experiment.experiment_id], "tags.`benchmark.kind` = 'plan'")
    folders = [client.list_artifacts(plan.info.run_id, path) for path in ("report", "report/pictures")]
    paths = [each.path for found in folders for each in found if not each.is_dir]
    return [client.download_artifacts(plan.info.run_id, path) for path in paths]


def test_a_text_stands_in_train_where_it_does_so_for_one_of_the_runs(recorded):
    with files_of(recorded) as files:
        details = read_details(files, read_results(recorded, "quick"))

    assert details.also_in_train.tolist() == [True, True, *[False] * 6]


class TestThePage:
    def test_shows_the_reviews_and_of_an_export_is_the_same_to_the_byte(self, recorded, call, tmp_path):
        call("export", "out")
        page = page_of(call, tmp_path / "a")

        for number in range(8):
            assert f"Review number {number}, \\u003cb\\u003e\\u0026\\u003c/b\\u003e all." in page
        assert page_of(call, tmp_path / "b") == page
        assert page_of(call, tmp_path / "c", "--from", "out") == page

    def test_shows_what_explain_kept(self, recorded, call, tmp_path):
        review_id = review_ids([(text, number % 2) for number, text in enumerate(TEXTS)])[3]
        why = explanation(((0, 6), (26, 29)), (0.25, -1.5))
        run = next(run for run in recorded.runs("quick") if run.experiment == "rnn")
        write_explanations(recorded, run.run_id, Explanations(reviews={review_id: why}))
        call("export", "out")
        page = page_of(call, tmp_path / "page")
        assert page_of(call, tmp_path / "again", "--from", "out") == page
        data = json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])

        (review,) = [review for review in data["reviews"] if "why" in review]
        (found,) = review["why"]
        assert review["id"] == review_id
        assert (data["models"][found["model"]], found["seed"]) == ("rnn", 1)
        assert [review["text"][start:end] for start, end in found["spans"]] == ["Review", "all"]
        assert found["logits"] == [0.25, -1.5]

    def test_is_the_file_that_ends_in_html_and_stands_in_any_other_folder(self, recorded, call, tmp_path):
        page = page_of(call, tmp_path / "folder")
        (tmp_path / "was.html").mkdir()  # as versions before made it
        for path, file in (
            ("new/page.html", "new/page.html"),
            ("PAGE.HTML", "PAGE.HTML"),
            ("was.html", "was.html/index.html"),
        ):
            status, out, err = call("report", "--output", path)
            assert (status, out, err.count("\n")) == (0, "", 1)
            assert_names(err, file)
            assert (tmp_path / file).read_text(encoding="utf-8") == page

    def test_of_a_tilde_that_no_shell_expanded_is_in_the_home_folder(self, recorded, call, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("BENCHMARK_CACHE", "~/cache")
        before = {*tmp_path.iterdir()}
        assert call("export", "~/out")[0] == 0

        status, _, err = call("report", "--output=~/page.html", "--from=~/out")
        assert status == 0
        assert_names(err, tmp_path / "home" / "page.html")
        assert call("report", "--cache-dir=~/cache", "--output=~/t.md")[0] == 0
        assert {path.name for path in (tmp_path / "home").iterdir()} == {"out", "page.html", "t.md", "cache"}
        assert {*tmp_path.iterdir()} - before == {tmp_path / "home"}

    def test_says_which_texts_are_left_out_changed_or_gone(self, recorded, call, tmp_path, table):
        without = page_of(call, tmp_path / "without", "--no-texts")
        assert "Review number" not in without

        table.write_text(table.read_text().replace("number 3", "number three"))
        changed = page_of(call, tmp_path / "changed")
        assert [number for number in range(8) if f"Review number {number}," not in changed] == [3]
        assert re.search(rf"\b1 [^.]*{re.escape(table.name)}", changed)

        table.unlink()
        gone = page_of(call, tmp_path / "gone")
        assert "Review number" not in gone
        assert gone.count(table.name) > without.count(table.name)


def test_the_page_shows_the_reviews_of_challenge_sets_and_says_which_texts_are_not_here(
    recorded, call, tmp_path, store_uri
):
    (tmp_path / "pairs.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in PAIRS))
    others = made_set("unrecorded", [("never seen", 1), ("unseen", 0)], (), ())
    for run in recorded.runs("quick"):
        for challenge in (made_set("pairs"), others):
            logits = np.zeros((len(challenge.reviews), 2), np.float32)
            scores = challenge_scores(challenge, logits)
            write_challenge(recorded.reopen(run.run_id), challenge, logits, [False] * len(logits), scores)
    page = page_of(call, tmp_path / "page")
    saved = "".join(Path(path).read_text(encoding="utf-8") for path in kept(store_uri))

    assert all(text in page and text not in saved for text, _ in PAIRS)
    assert "never seen" not in page
    assert_names(page, "unrecorded are not shown", "<option>pairs</option>", 'id="beyond"')
    assert 'id="beyond"' in saved


class TestTheRecord:
    def test_keeps_the_page_without_texts_and_each_picture_unless_it_is_of_an_export(
        self, recorded, call, tmp_path, store_uri
    ):
        call("export", "out")
        page_of(call, tmp_path / "exported", "--from", "out")
        assert kept(store_uri) == []

        page = page_of(call, tmp_path / "page")
        files = {Path(path).name: Path(path).read_text(encoding="utf-8") for path in kept(store_uri)}

        assert '<section id="result"' in files["index.html"]
        assert not [name for name, content in files.items() if "Review number" in content]
        assert len(files) - 1 == len(re.findall("<figure>", page))
        for name in files.keys() - {"index.html"}:
            assert ElementTree.fromstring(files[name]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  our own


class TestRefused:
    def refusal(self, call, *arguments: str) -> str:
        status, out, err = call("report", "--format", "html", *arguments)
        assert (status, out) == (2, "")
        (message,) = error_lines(err)
        return message

    def test_without_a_folder_into_a_file_or_with_other_data(self, recorded, call, tmp_path):
        (tmp_path / "file").touch()

        assert_names(self.refusal(call), "--format html", "--output")
        assert_names(self.refusal(call, "--output", "file"), "file", ".html")
        assert_names(self.refusal(call, "--output", "page", "--data", "aclImdb"), "--data", "table")

    def test_an_export_whose_epochs_are_none(self, recorded, call, tmp_path):
        call("export", "out")
        path = next((tmp_path / "out").rglob("histories.json"))
        name = path.relative_to(tmp_path / "out").as_posix()

        for content in ("[]", "nonsense", '{"val/loss": {"1": NaN}}', '{"val/loss": {"one": 1}}'):
            forge(tmp_path / "out", name, content)
            assert_names(self.refusal(call, "--output", "page", "--from", "out"), f"out/{name}")

    def test_predictions_whose_columns_are_of_another_kind(self, recorded, call, tmp_path):
        path = next((tmp_path / "mlruns").rglob("predictions.parquet"))
        pd.read_parquet(path).assign(tokens=["many"] * 8).to_parquet(path, index=False)

        assert_names(self.refusal(call, "--output", "page"), path.parent.parent.name, "seed 1")
