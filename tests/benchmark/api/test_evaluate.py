"""`evaluate`: finished runs scored on the sets of a profile, on others, and on a table of the user's."""

import csv
from pathlib import Path

import pytest

from benchmark.tracking.lock import hold
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.trained import record_whole


@pytest.fixture
def runs(store, trained_as, tmp_path) -> dict[str, str]:
    """Ids of finished runs of two experiments."""
    return {name: record_whole(store, trained_as(name), tmp_path / f"files-{name}") for name in ("rnn", "bow")}


@pytest.fixture
def table(trained_as, tmp_path) -> Path:
    """A table of pairs: 19 tests reviews and one of train."""
    corpus = trained_as("rnn").corpus
    path = tmp_path / "My Shifted.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "group"])
        rows.writerows([review.text, review.label, row // 2] for row, review in enumerate(corpus.test[:19]))
        rows.writerow([corpus.train[0].text, corpus.train[0].label, 9])
    return path


@pytest.fixture
def configured(write_config, table) -> None:
    """An experiments.yaml whose profile scores `own`, and that knows `endings` besides."""
    sets = {"own": {"source": "table", "path": str(table)}}
    sets |= {"endings": {"source": "perturbation", "change": "last_words"}}
    write_config(profiles={"quick": {"challenges": ["own"], "experiments": ["rnn", "bow"]}}, challenges=sets)


def scored(store: TrackingStore, run_id: str) -> dict[str, float]:
    found = store.run(run_id).metrics.items()
    return {key.split("/")[1]: value for key, value in found if key.startswith("challenge/") and "accuracy" in key}


class TestEvaluate:
    def test_each_finished_run_is_scored_on_the_profiles_sets_and_once(self, call, store, runs, configured):
        status, _, err = call("evaluate")
        again = call("evaluate", "bow")

        assert status == 0, err
        for name, run_id in runs.items():
            figures = scored(store, run_id)
            assert list(figures) == ["own"]
            assert_names(err, f"{name} seed 1: own {100 * figures['own']:.2f} %")
        assert again[0] == 0
        assert_names(again[2], "bow seed 1: own", "skipped")
        assert "rnn" not in again[2]

    def test_a_set_that_the_profile_does_not_name_is_scored_where_it_is_asked_for(self, call, store, runs, configured):
        assert call("evaluate", "bow", "--on", "endings")[0] == 0

        assert list(scored(store, runs["bow"])) == ["endings"]
        assert scored(store, runs["rnn"]) == {}

    def test_a_table_is_a_set_named_after_it_with_the_reviews_of_train_marked(
        self, call, store, runs, configured, table
    ):
        import pandas as pd

        status, _, err = call("evaluate", "rnn", "--on", str(table))
        files = Path(store.run(runs["rnn"]).artifacts.removeprefix("file://"), "challenges")
        found = pd.read_parquet(files / "my-shifted.parquet")

        assert status == 0, err
        assert found["in_train"].tolist() == [False] * 19 + [True]
        assert found["group"].tolist() == [str(row // 2) for row in range(19)] + ["9"]
        assert "challenge/my-shifted/consistency" in store.run(runs["rnn"]).metrics

    def test_it_waits_for_another_process_that_scores_the_run(self, call, store, runs, configured, monkeypatch):
        held = []
        monkeypatch.setattr("benchmark.api.evaluate.hold", lambda path, **rest: held.append(path) or hold(path, **rest))
        call("evaluate", "bow")

        assert [path.name for path in held] == [f"run-{store.run(runs['bow']).fingerprint}-1.lock"]


class TestRefusals:
    def test_a_run_without_a_model_is_named_and_the_others_are_scored(
        self, call, store, runs, configured, trained_as, monkeypatch, tmp_path
    ):
        monkeypatch.setattr("benchmark.tracking.mlflow_tracker.MlflowTracker.log_model", lambda *_, **__: None)
        store.supersede(runs["rnn"])
        record_whole(store, trained_as("rnn"), tmp_path / "files")
        status, _, err = call("evaluate")

        assert status == 1
        assert_names(next(line for line in err.splitlines() if line.startswith("rnn")), "model")
        assert list(scored(store, runs["bow"])) == ["own"]

    @pytest.mark.parametrize(
        ("on", "facts"),
        [("capitls", ["capitls", "endings"]), ("gone.csv", ["gone.csv"]), ("Own.csv", ["Own.csv", "own"])],
    )
    def test_what_is_no_set_is_refused_before_anything_is_scored(self, call, store, runs, configured, on, facts):
        status, _, err = call("evaluate", "--on", on)

        assert status == 2
        assert_names(error_lines(err)[0], *facts)
        assert scored(store, runs["bow"]) == {}

    def test_a_profile_without_sets_asks_for_some(self, call, runs, write_config):
        write_config(profiles={"quick": {"challenges": [], "experiments": ["rnn", "bow"]}})
        status, _, err = call("evaluate")

        assert status == 2
        assert_names(error_lines(err)[0], "quick", "--on")

    def test_an_experiment_without_a_finished_run_is_refused(self, call, runs, configured):
        status, _, err = call("evaluate", "lstm")

        assert status == 2
        assert_names(error_lines(err)[0], "lstm")

    def test_other_reviews_than_the_run_was_made_of_are_refused(self, call, runs, configured, monkeypatch):
        from data_pipeline import load as pipeline

        load = pipeline.load_corpus
        monkeypatch.setattr(
            "benchmark.api.evaluate.load_corpus",
            lambda config, *rest: load(config.model_copy(update={"split_seed": 8})),
        )
        status, _, err = call("evaluate", "bow")

        assert status == 2
        assert_names(error_lines(err)[0], "bow", "split")
