"""`report --format html`: the page in a folder and in the record, of a store or an export, with or without texts."""

import csv
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from mlflow import MlflowClient

from benchmark.recorded_details import details_of_store
from benchmark.recorded_explanations import write_explanations
from benchmark.recorded_results import read_results
from benchmark.records import PlanRecord, PlanRow
from benchmark.review_explanation import Explanations, ReviewExplanation
from data_pipeline.review import review_ids
from tests.benchmark.test_export import LSTM, RNN, finished
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
    assert (status, out, err) == (0, "", f"wrote {folder}/index.html\n")
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
    """Of several train sizes the smaller is a part of the larger."""
    details = details_of_store(recorded, read_results(recorded, "quick"))

    assert details.also_in_train.tolist() == [True, True, *[False] * 6]


class TestThePage:
    def test_shows_the_reviews_by_their_ids(self, recorded, call, tmp_path):
        page = page_of(call, tmp_path / "page")

        for number in range(8):
            assert f"Review number {number}, \\u003cb\\u003e\\u0026\\u003c/b\\u003e all." in page

    def test_is_the_same_to_the_byte_a_second_time(self, recorded, call, tmp_path):
        assert page_of(call, tmp_path / "a") == page_of(call, tmp_path / "b")

    def test_of_an_export_is_the_same_to_the_byte(self, recorded, call, tmp_path):
        call("export", "out")

        assert page_of(call, tmp_path / "a", "--from", "out") == page_of(call, tmp_path / "b")

    @pytest.mark.parametrize("of", ["the store", "an export"])
    def test_shows_what_explain_kept(self, recorded, call, tmp_path, of):
        review_id = review_ids([(text, number % 2) for number, text in enumerate(TEXTS)])[3]
        why = ReviewExplanation(
            tokens=((0, 6), (26, 29)),
            attributions=(0.25, -1.5),
            attention=None,
            margin=-1.0,
            baseline_margin=0.25,
            completeness_error=0.0,
            steps=16,
        )
        run = next(run for run in recorded.runs("quick") if run.experiment == "rnn")
        write_explanations(recorded, run.run_id, Explanations(reviews={review_id: why}))
        call("export", "out")
        page = page_of(call, tmp_path / "page", *(["--from", "out"] if of == "an export" else []))
        data = json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])

        (review,) = [review for review in data["reviews"] if "why" in review]
        (found,) = review["why"]
        assert review["id"] == review_id
        assert (data["models"][found["model"]], found["seed"]) == ("rnn", 1)
        assert [review["text"][start:end] for start, end in found["spans"]] == ["Review", "all"]
        assert found["logits"] == [0.25, -1.5]

    def test_without_texts_says_so(self, recorded, call, tmp_path):
        page = page_of(call, tmp_path / "page", "--no-texts")

        assert "The reviews&#39; texts are left out of this page" in page
        assert "Review number" not in page

    def test_where_the_reviews_are_not_at_hand_says_so_and_goes_on(self, recorded, call, tmp_path, table):
        table.unlink()

        page = page_of(call, tmp_path / "page")

        assert "The reviews&#39; texts are not shown, for they are not at hand: " in page

    def test_where_some_reviews_have_changed_says_how_many(self, recorded, call, tmp_path, table):
        table.write_text(table.read_text().replace("number 3", "number three"))

        assert "The texts of 1 of these reviews are not in the corpus at hand" in page_of(call, tmp_path / "page")


class TestTheRecord:
    def test_keeps_the_page_without_texts_and_each_picture(self, recorded, call, tmp_path, store_uri):
        page = page_of(call, tmp_path / "page")
        files = {Path(path).name: Path(path).read_text(encoding="utf-8") for path in kept(store_uri)}

        assert "Why the models differ" in files["index.html"]
        assert not [name for name, content in files.items() if "Review number" in content]
        assert len(files) - 1 == len(re.findall("<figure>", page))
        for name in files.keys() - {"index.html"}:
            assert ElementTree.fromstring(files[name]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  our own

    def test_is_left_alone_by_a_page_from_an_export(self, recorded, call, tmp_path, store_uri):
        call("export", "out")
        page_of(call, tmp_path / "page", "--from", "out")

        assert kept(store_uri) == []


class TestRefused:
    def refusal(self, call, *arguments: str) -> str:
        status, out, err = call("report", "--format", "html", *arguments)
        assert (status, out) == (2, "")
        (line,) = err.splitlines()
        return line

    def test_without_a_folder(self, recorded, call):
        assert self.refusal(call) == "error: --format html writes a folder: name it by --output DIR"

    def test_into_a_file(self, recorded, call, tmp_path):
        (tmp_path / "file").touch()

        assert "is a file; --format html writes a folder" in self.refusal(call, "--output", "file")

    def test_data_that_the_runs_did_not_read(self, recorded, call):
        line = self.refusal(call, "--output", "page", "--data", "aclImdb")

        assert line.startswith("error: --data: the runs read source `table`, not the official reviews")

    @pytest.mark.parametrize("content", ["[]", "nonsense", '{"val/loss": {"1": NaN}}', '{"val/loss": {"one": 1}}'])
    def test_an_export_whose_epochs_are_none(self, recorded, call, tmp_path, content):
        call("export", "out")
        path = next((tmp_path / "out").rglob("histories.json"))
        path.write_text(content)
        name = path.relative_to(tmp_path / "out").as_posix()
        manifest = tmp_path / "out" / "manifest.json"
        files = json.loads(manifest.read_text())["files"] | {name: hashlib.sha256(content.encode()).hexdigest()}
        manifest.write_text(json.dumps({"export_version": 1, "files": files}))

        line = self.refusal(call, "--output", "page", "--from", "out")

        assert line == f"error: out/{name}: is missing or damaged; export it again with this version"

    def test_predictions_whose_columns_are_of_another_kind(self, recorded, call, tmp_path):
        path = next((tmp_path / "mlruns").rglob("predictions.parquet"))
        table = pd.read_parquet(path)
        table.assign(tokens=["many"] * 8).to_parquet(path, index=False)

        assert re.match(
            r"error: files of run [0-9a-f]{32} \((lstm|rnn) seed 1\) cannot be read ",
            self.refusal(call, "--output", "page"),
        )
