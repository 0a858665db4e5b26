"""A bundle comes back: its finished runs and its plan in another store, each once, whole or not at all."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.launch.recovery import reconcile
from benchmark.results.export import ExportError, write_export
from benchmark.results.external import test_part as part_of
from benchmark.results.import_bundle import import_bundle
from benchmark.results.read import files_of, read_details, read_results
from benchmark.tracking import tags
from benchmark.tracking.challenges import challenge_scores, write_challenge
from benchmark.tracking.explanations import Explanations, write_explanations
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import EXTERNAL, PREDICTIONS_FILE, PlanRecord, PlanRow, RunRecord, Status
from benchmark.tracking.store import TrackingStore
from tests.benchmark.results.test_export import explanation
from tests.helpers.challenge import made_set
from tests.helpers.facts import assert_names
from tests.helpers.recorded import Made, eight_predictions, epoch

MODELS = ("lstm", "rnn")
METRICS = dict.fromkeys(("test/f1", "test/roc_auc", "test/log_loss"), 0.5) | {"best_epoch": 2.0}
METRICS |= {"parameters_total": 10.0, "parameters_trainable": 10.0, "train_seconds": 10.0}


def finished(name: str, right: int = 6, seed: int = 1) -> Made:
    metrics = METRICS | {"test/accuracy": right / 8}
    predicted, epochs = eight_predictions(right), [epoch(1), epoch(2)]
    return Made(name, seed, name * 4, metrics=metrics, predictions=predicted, epochs=epochs)


def external(right: int) -> Made:
    """What another system, gpt-x, predicts of the same reviews."""
    table = eight_predictions(right)
    labels = {tags.TEST_PART: part_of(table["id"], table["label"])}
    return Made("gpt-x", 0, f"ext-{right}", {}, labels, [], {"test/accuracy": right / 8}, {}, table, kind=EXTERNAL)


@pytest.fixture
def elsewhere(empty_database, tmp_path) -> TrackingStore:
    """Another machine's store with a plan: two finished runs, one scored on a set and explained, and a failed one."""
    (tmp_path / "elsewhere").mkdir()
    database = shutil.copy(empty_database, tmp_path / "elsewhere" / "mlflow.db")
    store = TrackingStore(f"sqlite:///{database}", tmp_path / "elsewhere")
    rows = tuple(PlanRow(name, name * 4, None, None, 100, "s") for name in (*MODELS, "gru"))
    store.open_plan(PlanRecord("quick", (1,), rows, "reviews", False, 10, 8), "a name")
    ids = {name: finished(name, 5 + place).record(store).run_id for place, name in enumerate(MODELS)}
    replace(finished("gru"), status=Status.FAILED, error="boom").record(store)
    logits = np.tile(np.array([[0, 1]], np.float32), (4, 1))
    write_challenge(store.reopen(ids["rnn"]), made_set(), logits, [True] * 4, challenge_scores(made_set(), logits))
    write_explanations(store, ids["rnn"], Explanations(reviews={"r1": explanation(((0, 3),), (0.5,))}))
    return store


@pytest.fixture
def bundle(elsewhere, tmp_path) -> Path:
    return exported(elsewhere, tmp_path / "bundle")


def exported(store: TrackingStore, folder: Path) -> Path:
    write_export(store, read_results(store, "quick"), folder)
    return folder


def take(store: TrackingStore, folder: Path) -> tuple[int, list[str]]:
    lines: list[str] = []
    return import_bundle(
        store, folder, lambda name: folder.parent / ".benchmark/locks" / f"{name}.lock", lines.append
    ), lines


def by_name(store: TrackingStore) -> dict[str, RunRecord]:
    return {run.experiment: run for run in store.runs("quick")}


def content(run: RunRecord) -> tuple:
    """What is to survive, but for ids."""
    kept = {name: value for name, value in run.tags.items() if not name.startswith("mlflow.") and name != tags.REQUEST}
    kept.pop(tags.IMPORTED, None)
    return run.name, run.seed, run.fingerprint, run.status, run.metrics, run.params, kept


class TestAnImport:
    def test_records_what_the_bundle_has_of_each_finished_run(self, store, elsewhere, bundle):
        count, lines = take(store, bundle)
        here, there = read_results(store, "quick"), read_results(elsewhere, "quick")
        runs, originals = by_name(store), by_name(elsewhere)

        assert (count, len(lines), set(runs)) == (2, 2, set(MODELS))
        for name in MODELS:
            assert content(runs[name]) == content(originals[name])
            assert runs[name].tags[tags.IMPORTED].split()[::2] == ["bundle", originals[name].run_id]
            with files_of(store) as files, files_of(elsewhere) as others:
                table = files.table(runs[name], PREDICTIONS_FILE)
                pd.testing.assert_frame_equal(table, others.table(originals[name], PREDICTIONS_FILE))
                found = read_details(files, here).runs[runs[name].run_id]
                expected = read_details(others, there).runs[originals[name].run_id]
            assert found.histories == expected.histories
            assert (found.settings, found.environment) == (expected.settings, expected.environment)
            assert found.explanations == expected.explanations
        (challenge,) = here.challenges
        assert set(challenge.logits) == {runs["rnn"].run_id}

    def test_records_the_plan_of_which_a_failed_run_is_still_missing(self, store, elsewhere, bundle):
        take(store, bundle)
        (entry,), (plan,) = store.plans("quick"), store.runs("quick", "plan")

        assert (entry.name, store.plan(entry)) == ("a name", elsewhere.plan(elsewhere.plans("quick")[0]))
        assert plan.status is Status.SCHEDULED
        assert {run.tags[tags.PARENT] for run in store.runs("quick")} == {plan.run_id}
        finished("gru").record(elsewhere)
        shutil.rmtree(bundle)
        assert take(store, exported(elsewhere, bundle))[0] == 1
        assert store.runs("quick", "plan")[0].status is Status.FINISHED

    def test_gives_the_same_bundle_again(self, store, bundle, tmp_path):
        take(store, bundle)
        again = exported(store, tmp_path / "again")
        files = [path.relative_to(again) for path in (again / "runs").rglob("*") if path.is_file()]

        assert len(files) == 2 * 4 + 2
        for file in files:
            assert (again / file).read_bytes() == (bundle / file).read_bytes()

    def test_takes_predictions_of_other_systems_along(self, store, elsewhere, tmp_path):
        external(7).record(elsewhere)
        take(store, exported(elsewhere, tmp_path / "bundle"))

        assert [row.experiment for row in read_results(store, "quick").plan.rows if row.external] == ["gpt-x"]
        assert take(store, tmp_path / "bundle")[0] == 0


class TestTheSameRunTwice:
    def test_is_skipped_where_the_results_are_equal(self, store, bundle):
        finished("lstm", 5).record(store)

        assert take(store, bundle)[0] == 1
        assert take(store, bundle)[0] == 0
        assert len(store.runs("quick")) == 2

    @pytest.mark.parametrize("change", ["logits", "scores"])
    def test_is_refused_with_another_result_before_anything_is_written(self, store, bundle, change):
        made = finished("rnn", 6)
        if change == "logits":
            made = replace(made, predictions=made.predictions.assign(logit_positive=0.25))
        else:
            made.metrics["test/f1"] = 0.75
        run = made.record(store)

        with pytest.raises(ExportError) as refusal:
            take(store, bundle)
        assert_names(refusal, "rnn seed 1", run.run_id)
        assert [each.run_id for each in store.runs("quick")] == [run.run_id]
        assert store.plans("quick") == []

    def test_of_another_system_is_refused_with_another_result(self, store, elsewhere, tmp_path):
        external(7).record(elsewhere)
        external(6).record(store)

        with pytest.raises(ExportError, match="gpt-x"):
            take(store, exported(elsewhere, tmp_path / "bundle"))


@pytest.mark.parametrize("method", ["log_params", "log_metrics", "log_artifacts", "finish", "set_tags"])
def test_a_killed_import_leaves_no_half_run_and_the_next_one_completes_it(store, bundle, tmp_path, monkeypatch, method):
    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowTracker, method, kill)
        with pytest.raises(KeyboardInterrupt):
            take(store, bundle)
    assert store.runs("quick") == []
    said: list[str] = []
    reconcile(store, "quick", said.append, tmp_path / ".benchmark" / "locks")
    assert store.runs("quick", "plan")[0].status is Status.KILLED

    assert take(store, bundle)[0] == 2
    assert {run.status for run in store.runs("quick")} == {Status.FINISHED}
    assert store.runs("quick", tags.SUPERSEDED, Status.RUNNING) == []


def test_a_changed_bundle_is_refused(store, bundle):
    (bundle / "runs.json").write_text("[]")

    with pytest.raises(ExportError, match=r"runs\.json"):
        take(store, bundle)
    assert store.plans("quick") == []


def test_a_plan_with_challenges_and_another_system_gives_the_same_report_from_its_bundle(elsewhere, call, tmp_path):
    external(7).record(elsewhere)
    exported(elsewhere, tmp_path / "bundle")
    here = call("report", "--tracking-uri", elsewhere.uri, "--format", "json")

    assert here[0] == 0
    assert_names(here[1], "gpt-x", "made, made by hand")
    assert call("report", "--from", str(tmp_path / "bundle"), "--format", "json") == here
