"""`explain`: which runs and reviews, what is printed, what is kept with the runs and what is left alone."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from benchmark.cli import explain
from benchmark.config.schema import run_from_settings
from benchmark.tracking.explanations import Explanations, ReviewExplanation, read_explanations, write_explanations
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.trained import record, record_whole

pytest.importorskip("captum")
FILE = "explanations.json"
FOUND = ReviewExplanation(
    tokens=((0, 1), (2, 3)),
    attributions=(0.5, -0.25),
    attention=None,
    margin=1.0,
    baseline_margin=0.75,
    completeness_error=0.0,
    steps=32,
)


@pytest.fixture
def recorded(store, trained_as, tmp_path) -> dict[str, str]:
    """Ids of two finished runs in the store of the working directory."""
    return {
        name: record_whole(store, trained_as(name), tmp_path / f"files-{name}") for name in ("lstm-attention", "bow")
    }


@pytest.fixture
def review(trained_as):
    return min(trained_as("bow").corpus.test, key=lambda review: len(review.text))


def kept(run_id: str) -> dict:
    return json.loads(Path(MlflowClient().download_artifacts(run_id, FILE)).read_text())


class TestOneReview:
    def test_each_model_is_shown_with_the_words_for_and_against(self, call, recorded, review):
        status, out, err = call("explain", "--id", review.id)

        assert status == 0
        assert_names(out.splitlines()[0], review.id, ("negative", "positive")[review.label])
        assert review.text[:40] in out
        shown = [line.strip().partition(":")[0] for line in out.splitlines() if line.startswith("  ")][1:]
        assert [" ".join(line.split()[:3]) for line in shown if not line.startswith("attention")] == [
            *("lstm-attention seed 1", "for positive", "for negative"),
            *("bow seed 1", "for positive", "for negative"),
        ]
        assert shown[3].startswith("attention")
        assert_names(err, "rnn, lstm, bert-frozen, bert-finetuned")

    def test_how_far_it_is_is_reported_as_of_a_run(self, call, recorded, trained_as, monkeypatch):
        monkeypatch.setattr("benchmark.training.progress.LINE_SECONDS", 0.0)
        first, second = trained_as("bow").corpus.test[:2]

        status, _, err = call("explain", "bow", "--id", first.id, second.id)

        assert status == 0
        assert_names(err, "bow seed 1: 1 of 2 reviews", "left")

    def test_only_the_explanation_is_kept_with_the_run_and_without_the_text(self, call, recorded, review):
        def state():
            run = MlflowClient().get_run(recorded["bow"])
            files = {file.path for file in MlflowClient().list_artifacts(recorded["bow"])} - {FILE}
            return run.info.status, run.info.end_time, run.data.to_dictionary(), files

        before = state()
        call("explain", "bow", "--id", review.id)
        content = kept(recorded["bow"])
        found = content["reviews"][review.id]

        assert state() == before
        assert content["version"] == 1
        assert [review.text[start:end] for start, end in found["tokens"]] == review.text.split()
        assert sum(found["attributions"]) == pytest.approx(found["margin"] - found["baseline_margin"], abs=1e-4)
        assert found["attention"] is None
        assert not any(word in json.dumps(content) for word in review.text.split() if len(word) > 3)

    def test_what_is_explained_already_is_read_and_what_is_new_is_added(self, call, recorded, trained_as, review):
        other = trained_as("bow").corpus.test[0].id
        first = call("explain", "bow", "--id", review.id)
        again = call("explain", "--run", recorded["bow"][:12], "--id", review.id)
        call("explain", "bow", "--id", other)

        assert "explaining 1 reviews" in first[2]
        assert "explaining" not in again[2]
        assert again[:2] == (0, first[1])
        assert "bow seed 1: margin" in first[1]
        assert "lstm-attention" not in first[1]
        assert list(kept(recorded["bow"])["reviews"]) == [review.id, other]

    def test_an_inexact_explanation_is_reported_with_its_error(self, call, recorded, store, review):
        tokens = len(review.text.split())
        scores = {"tokens": ((0, 1),) * tokens, "attributions": (0.0,) * tokens, "completeness_error": 0.0213}
        off = FOUND.model_copy(update=scores)
        write_explanations(store, recorded["bow"], Explanations(reviews={review.id: off}))
        _, _, err = call("explain", "bow", "--id", review.id)

        assert_names(err, "bow seed 1", review.id, "2.1 %")
        assert err.count("\n") == 1

    def test_no_character_of_a_review_is_obeyed_by_the_terminal(self, call, recorded, review, monkeypatch):
        load = explain.load_corpus

        def hostile(*arguments):
            corpus = load(*arguments)
            return replace(corpus, test=(replace(corpus.test[0], text="film \x1b[31mawful\x1b[0m \x07"),))

        monkeypatch.setattr(explain, "load_corpus", hostile)
        settings = yaml.safe_load(Path(MlflowClient().download_artifacts(recorded["bow"], "config.yaml")).read_text())
        first_id = hostile(run_from_settings(settings).data).test[0].id
        status, out, _ = call("explain", "bow", "--id", first_id)

        assert status == 0
        assert all(each.isprintable() or each == "\n" for each in out)


class TestChoice:
    def test_without_ids_the_predictions_choose_the_same_for_each_call_and_model(self, call, recorded):
        _, out, _ = call("explain", "--reviews", "4")
        _, again, _ = call("explain", "--reviews", "4")
        chosen = list(kept(recorded["lstm-attention"])["reviews"])
        MlflowClient().log_text(recorded["bow"], "", FILE)
        call("explain", "bow", "--reviews", "4")

        assert out.count("disagree") + out.count("wrong") == len(chosen) == 4
        assert out == again
        assert list(kept(recorded["bow"])["reviews"]) == chosen

    def test_of_several_runs_that_of_lowest_val_loss_is_explained(
        self, call, recorded, store, trained_as, tmp_path, review
    ):
        best = record_whole(store, trained_as("bow"), tmp_path / "better", seed=2, best_val_loss=0.001)
        call("explain", "bow", "--id", review.id)

        assert read_explanations(store, best).reviews
        assert not read_explanations(store, recorded["bow"]).reviews


class TestRefusals:
    def test_a_model_that_cannot_be_explained_is_reported_and_the_rest_is_done(
        self, call, recorded, review, monkeypatch
    ):
        monkeypatch.setattr("models.bow.BagOfNgrams.linear_attributions", lambda *_: None)
        status, out, err = call("explain", "--id", review.id)

        assert status == 1
        assert "lstm-attention seed 1: margin" in out
        assert_names(err, "bow seed 1", "BagOfNgrams")
        assert "bow" not in out

    def test_without_captum_it_says_how_to_install_it(self, call, monkeypatch):
        monkeypatch.setitem(sys.modules, "captum", None)
        monkeypatch.setitem(sys.modules, "captum.attr", None)
        status, out, err = call("explain")

        assert (status, out) == (2, "")
        [line] = error_lines(err)
        assert_names(line, "captum", "pip install 'imdb-sentiment-benchmark[explain]'")

    def test_wrong_names_are_refused_in_one_line(self, call, recorded):
        for arguments, facts in (
            (["--profile", "paper"], ["paper", "`python -m benchmark run all --profile paper`"]),
            (["lstm-atention"], ["'lstm-atention'", "'lstm-attention'"]),
            (["rnn"], ["rnn", "finished"]),
            (["bow", "--id", "no\x1bsuch"], ["predictions.parquet"]),
            (["bow", "--run", "abc"], ["--run"]),
        ):
            status, out, err = call("explain", *arguments)

            assert (status, out) == (2, "")
            [line] = error_lines(err)
            assert_names(line, *facts)
            assert line.isprintable()

    def test_missing_reviews_are_reported(self, call, recorded, trained_as, review, tmp_path):
        settings = trained_as("bow").planned.config.settings()
        moved = settings | {"data": settings["data"] | {"path": str(tmp_path / "gone.csv")}}
        MlflowClient().log_text(recorded["bow"], yaml.safe_dump(moved), "config.yaml")
        status, _, err = call("explain", "--run", recorded["bow"], "--id", review.id)

        assert status == 2
        assert "gone.csv" in err
        assert err.count("\n") == 1


def test_explanations_are_read_as_written_and_unreadable_ones_are_none(store, trained_as):
    run_id, written = record(store, trained_as("bow")), Explanations(reviews={"a-0": FOUND})
    write_explanations(store, run_id, written)

    assert read_explanations(store, run_id) == written
    for content in ("", "[]", '{"version": 2, "reviews": {}}', '{"version": 1, "reviews": {"a": {}}}'):
        MlflowClient().log_text(run_id, content, FILE)

        assert read_explanations(store, run_id).reviews == {}
    with pytest.raises(ValueError, match="tokens"):
        ReviewExplanation(**FOUND.model_dump() | {"attention": (1.0,)})
