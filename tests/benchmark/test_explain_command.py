"""`explain`: which runs and reviews, what is printed, what is kept with the runs and what is left alone."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from benchmark.recorded_explanations import read_explanations, write_explanations
from benchmark.review_explanation import Explanations, ReviewExplanation
from benchmark.tracking.store import TrackingStore
from tests.helpers.trained import Trained, record

pytest.importorskip("captum")
FILE = "explanations.json"


def record_whole(store: TrackingStore, trained: Trained, folder: Path, **values) -> str:
    """A run with its model, settings and predictions."""
    run_id = record(store, trained, **values)
    logits = trained.predictions.logits
    predictions = pd.DataFrame(
        {
            "id": [review.id for review in trained.corpus.test],
            "label": trained.predictions.labels,
            "logit_negative": logits[:, 0],
            "logit_positive": logits[:, 1],
        }
    )
    folder.mkdir()
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump(trained.planned.config.settings()))
    store.reopen(run_id).log_artifacts(folder)
    return run_id


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
        assert out.splitlines()[0] == f"{review.id} ({('negative', 'positive')[review.label]}; asked for)"
        assert review.text[:40] in out
        assert [line.strip().partition(":")[0] for line in out.splitlines() if line.startswith("  ")][1:] == [
            *("lstm-attention seed 1", "for positive", "for negative"),
            "attention (where it looks, not what that speaks for)",
            *("bow seed 1", "for positive", "for negative"),
        ]
        assert "no run of rnn, lstm, bert-frozen, bert-finetuned is finished; left out\n" in err

    def test_it_is_kept_with_the_run_without_its_text(self, call, recorded, review):
        call("explain", "bow", "--id", review.id)
        content = kept(recorded["bow"])
        found = content["reviews"][review.id]

        assert content["version"] == 1
        assert [review.text[start:end] for start, end in found["tokens"]] == review.text.split()
        assert sum(found["attributions"]) == pytest.approx(found["margin"] - found["baseline_margin"], abs=1e-4)
        assert found["attention"] is None
        assert not any(word in json.dumps(content) for word in review.text.split() if len(word) > 3)

    def test_what_is_explained_already_is_read_and_what_is_new_is_added(self, call, recorded, trained_as, review):
        other = trained_as("bow").corpus.test[0].id
        first = call("explain", "bow", "--id", review.id)
        again = call("explain", "bow", "--id", review.id)
        call("explain", "bow", "--id", other)

        assert "explaining 1 reviews" in first[2]
        assert "explaining" not in again[2]
        assert again[1] == first[1]
        assert list(kept(recorded["bow"])["reviews"]) == [review.id, other]

    def test_what_does_not_add_up_is_told_with_how_far_it_is_off(self, call, recorded, store, review):
        tokens = len(review.text.split())
        off = ReviewExplanation(
            tokens=((0, 1),) * tokens,
            attributions=(0.0,) * tokens,
            attention=None,
            margin=1.0,
            baseline_margin=0.0,
            completeness_error=0.0213,
            steps=1008,
        )
        write_explanations(store, recorded["bow"], Explanations(reviews={review.id: off}))
        _, _, err = call("explain", "bow", "--id", review.id)

        assert err == f"bow seed 1: review {review.id}: attributions add up to the margin within 2.1 % only\n"

    def test_nothing_else_of_the_run_changes(self, call, recorded, store, review):
        def state():
            run = MlflowClient().get_run(recorded["bow"])
            files = {file.path for file in MlflowClient().list_artifacts(recorded["bow"])} - {FILE}
            return run.info.status, run.info.end_time, run.data.to_dictionary(), files

        before = state()
        call("explain", "bow", "--id", review.id)

        assert state() == before

    def test_a_run_is_named_by_the_beginning_of_its_id(self, call, recorded, review):
        status, out, _ = call("explain", "--run", recorded["bow"][:12], "--id", review.id)

        assert status == 0
        assert "bow seed 1: margin" in out
        assert "lstm-attention" not in out

    def test_no_character_of_a_review_is_obeyed_by_the_terminal(self, call, recorded, review, monkeypatch):
        from dataclasses import replace

        from data_pipeline import sources

        load = sources.load_corpus

        def hostile(*arguments):
            corpus = load(*arguments)
            return replace(corpus, test=(replace(corpus.test[0], text="film \x1b[31mawful\x1b[0m \x07"),))

        monkeypatch.setattr(sources, "load_corpus", hostile)
        status, out, _ = call("explain", "bow", "--id", load_first_id(recorded, hostile))

        assert status == 0
        assert out.isprintable() or all(each.isprintable() or each == "\n" for each in out)


def load_first_id(recorded, load) -> str:
    from benchmark.config import run_from_settings

    settings = yaml.safe_load(Path(MlflowClient().download_artifacts(recorded["bow"], "config.yaml")).read_text())
    return load(run_from_settings(settings).data).test[0].id


class TestChoice:
    def test_without_ids_the_predictions_choose_and_choose_the_same_again(self, call, recorded):
        _, out, _ = call("explain", "--reviews", "4")
        _, again, _ = call("explain", "--reviews", "4")

        assert out.count("the models disagree") + out.count("all models are wrong") == 4
        assert out == again

    def test_one_model_gets_the_reviews_that_all_of_them_get(self, call, recorded):
        call("explain", "--reviews", "3")
        call("explain", "bow", "--reviews", "3")

        assert list(kept(recorded["bow"])["reviews"]) == list(kept(recorded["lstm-attention"])["reviews"])

    def test_of_several_runs_that_of_lowest_val_loss_is_explained(
        self, call, recorded, store, trained_as, tmp_path, review
    ):
        best = record_whole(store, trained_as("bow"), tmp_path / "better", seed=2, best_val_loss=0.001)
        call("explain", "bow", "--id", review.id)

        assert read_explanations(store, best).reviews
        assert not read_explanations(store, recorded["bow"]).reviews


class TestRefusals:
    def test_a_model_that_cannot_be_explained_is_told_and_the_rest_is_done(self, call, recorded, review, monkeypatch):
        monkeypatch.setattr("models.bow.BagOfNgrams.linear_attributions", lambda *_: None)
        status, out, err = call("explain", "--id", review.id)

        assert status == 1
        assert "lstm-attention seed 1: margin" in out
        assert "bow seed 1: BagOfNgrams has no word vectors to take gradients of" in err
        assert "bow" not in out

    def test_without_captum_it_says_how_to_install_it(self, call, monkeypatch):
        monkeypatch.setitem(sys.modules, "captum", None)
        monkeypatch.setitem(sys.modules, "captum.attr", None)

        assert call("explain") == (
            2,
            "",
            "error: explain needs captum, which is not installed; "
            "`pip install 'imdb-sentiment-benchmark[explain]'` does it\n",
        )

    def test_an_unknown_model_gets_a_suggestion(self, call, recorded):
        status, out, err = call("explain", "lstm-atention")

        assert (status, out) == (2, "")
        assert err == "error: there is no experiment 'lstm-atention' in this profile; did you mean 'lstm-attention'?\n"

    def test_a_named_model_without_a_finished_run_is_told(self, call, recorded):
        status, _, err = call("explain", "rnn")

        assert status == 2
        assert err.startswith("error: --model rnn: no run of it is finished")

    def test_a_store_without_runs_is_told(self, call, store):
        status, _, err = call("explain")

        assert status == 2
        assert err == (
            "error: no run of profile 'quick' is finished; `python -m benchmark run all --profile quick` makes them\n"
        )

    def test_an_unknown_review_is_told(self, call, recorded):
        status, _, err = call("explain", "bow", "--id", "no\x1bsuch")

        assert status == 2
        assert err.count("\n") == 1
        assert "\x1b" not in err
        assert "predictions.parquet of run" in err

    def test_reviews_that_are_not_here_are_told(self, call, recorded, trained_as, review, tmp_path):
        moved = yaml.safe_dump(
            trained_as("bow").planned.config.settings()
            | {"data": {**data_of(trained_as), "path": str(tmp_path / "gone.csv")}}
        )
        (tmp_path / "config.yaml").write_text(moved)
        MlflowClient().log_artifact(recorded["bow"], str(tmp_path / "config.yaml"))
        status, _, err = call("explain", "--run", recorded["bow"], "--id", review.id)

        assert status == 2
        assert "gone.csv" in err
        assert err.count("\n") == 1

    def test_a_run_and_names_do_not_go_together(self, call):
        assert call("explain", "bow", "--run", "abc")[::2] == (
            2,
            "error: --run and names are given; choose one of them\n",
        )


def data_of(trained_as) -> dict:
    return trained_as("bow").planned.config.settings()["data"]


class TestReader:
    FOUND = ReviewExplanation(
        tokens=((0, 1), (2, 3)),
        attributions=(0.5, -0.25),
        attention=None,
        margin=1.0,
        baseline_margin=0.75,
        completeness_error=0.0,
        steps=32,
    )

    def test_what_was_written_is_read(self, store, recorded):
        written = Explanations(reviews={"a-0": self.FOUND})
        write_explanations(store, recorded["bow"], written)

        assert read_explanations(store, recorded["bow"]) == written

    @pytest.mark.parametrize(
        "content", ["", "[]", '{"version": 2, "reviews": {}}', '{"version": 1, "reviews": {"a": {}}}']
    )
    def test_what_cannot_be_read_is_none(self, store, recorded, tmp_path, content):
        (tmp_path / FILE).write_text(content)
        MlflowClient().log_artifact(recorded["bow"], str(tmp_path / FILE))

        assert read_explanations(store, recorded["bow"]).reviews == {}

    def test_as_many_scores_as_tokens(self):
        with pytest.raises(ValueError, match="as many tokens as attributions"):
            ReviewExplanation(**self.FOUND.model_dump() | {"attention": (1.0,)})
