"""What a bundle is made of: shared reviews, equal bytes for equal results, older versions, one that is updated."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.results.export import EXPORT_VERSION, write_export
from benchmark.results.read import files_of, read_results
from benchmark.results.read_export import read_export
from benchmark.tracking.challenges import challenge_scores, info_file, predictions_file, write_challenge
from benchmark.tracking.records import CONFIG_FILE, PREDICTIONS_FILE, PlanRecord, PlanRow
from tests.helpers.challenge import made_set
from tests.helpers.facts import assert_names
from tests.helpers.recorded import Made, eight_predictions, epoch

RUN_FILES = {"config.yaml", "environment.json", "histories.json", "predictions.parquet"}


def made_predictions(reviews: int, shuffle: int = 0) -> pd.DataFrame:
    """A table as runs log it; half of the reviews are labelled rightly."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "id": [hashlib.sha256(str(number).encode()).hexdigest()[:16] + "-0" for number in range(reviews)],
            "label": np.arange(reviews) % 2,
            "logit_negative": random.normal(size=reviews).astype("float32"),
            "logit_positive": random.normal(size=reviews).astype("float32"),
            "tokens": random.integers(10, 2500, reviews),
            "truncated": random.random(reviews) < 0.3,
            "also_in_train": random.random(reviews) < 0.01,
            "stars": pd.Series(random.integers(1, 11, reviews), dtype="Int64").where(random.random(reviews) < 0.9),
            "film": pd.Series([f"tt{number // 30:07d}" for number in range(reviews)], dtype="str"),
        }
    )
    return table.sample(frac=1, random_state=shuffle, ignore_index=True) if shuffle else table


def record(store, name: str, predictions: pd.DataFrame) -> str:
    right = predictions[["logit_negative", "logit_positive"]].to_numpy().argmax(axis=1) == predictions["label"]
    metrics = dict.fromkeys(("test/f1", "test/roc_auc", "test/log_loss"), 0.5) | {"test/accuracy": right.mean()}
    metrics |= {"parameters_total": 10.0, "parameters_trainable": 10.0, "train_seconds": 10.0, "best_epoch": 1.0}
    made = Made(name, fingerprint=name * 4, metrics=metrics, predictions=predictions, epochs=[epoch(1)])
    return made.record(store).run_id


def open_plan(store, *names: str, profile: str = "quick") -> None:
    rows = tuple(PlanRow(name, name * 4, None, None, 100, "s") for name in names)
    store.open_plan(PlanRecord(profile, (1,), rows, "reviews", False, 10, 8))


def exported(store, folder: Path) -> dict[str, bytes]:
    write_export(store, read_results(store, "quick"), folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_tables_are_read_as_the_store_has_them(store, tmp_path):
    open_plan(store, "lstm", "rnn", "gru")
    plain = made_predictions(40).drop(columns=["also_in_train", "stars", "film"])
    tables = {"lstm": plain, "rnn": made_predictions(40), "gru": made_predictions(40, shuffle=1)}
    ids = {name: record(store, name, table) for name, table in tables.items()}
    logits = np.tile(np.array([[0, 1]], np.float32), (4, 1))
    write_challenge(store.reopen(ids["rnn"]), made_set(), logits, [True] * 4, challenge_scores(made_set(), logits))
    here = read_results(store, "quick")
    write_export(store, here, tmp_path / "out")
    results, files = read_export(tmp_path / "out")
    runs = {run.experiment: run for run in results.runs}

    for name in ("rnn", "gru"):
        pd.testing.assert_frame_equal(files.table(runs[name], PREDICTIONS_FILE), tables["rnn"])
    assert set(files.table(runs["lstm"], PREDICTIONS_FILE)) >= set(plain)
    assert list(files.table(runs["rnn"], PREDICTIONS_FILE, ["id", "film"])) == ["id", "film"]
    with files_of(store) as original:
        (run,) = [run for run in here.runs if run.experiment == "rnn"]
        made = predictions_file("made")
        pd.testing.assert_frame_equal(files.table(runs["rnn"], made), original.table(run, made))
        assert json.loads(files.path(run, info_file("made")).read_text())["title"] == made_set().title
    (found,) = results.challenges
    assert set(found.logits) == {ids["rnn"]}
    assert found.fingerprint == made_set().fingerprint


def test_a_run_of_25000_predictions_takes_less_than_300_kb(store, tmp_path):
    open_plan(store, "lstm")
    run_id = record(store, "lstm", made_predictions(25_000))
    files = exported(store, tmp_path / "out")

    assert sum(len(content) for name, content in files.items() if name.startswith(f"runs/{run_id}/")) < 300_000
    assert {Path(name).name for name in files if name.startswith("runs/")} == RUN_FILES


def test_equal_results_give_equal_bytes_and_one_more_run_leaves_the_others(store, tmp_path):
    open_plan(store, "lstm", "rnn")
    record(store, "rnn", made_predictions(40))
    before = exported(store, tmp_path / "out")
    assert exported(store, tmp_path / "again") == before

    record(store, "lstm", made_predictions(40))
    after = exported(store, tmp_path / "out")  # in place of what it held
    assert {name for name in before if before[name] != after[name]} == {"manifest.json", "runs.json"}
    assert len([name for name in after if name.endswith(PREDICTIONS_FILE)]) == 2


def test_runs_are_in_the_order_of_rows_without_what_is_of_this_machine(store, tmp_path):
    open_plan(store, "lstm", "rnn")
    for name in ("rnn", "lstm"):
        record(store, name, made_predictions(8))
    runs = json.loads(exported(store, tmp_path / "out")["runs.json"])

    assert [run["experiment"] for run in runs] == ["lstm", "rnn"]
    assert {run[name] for run in runs for name in ("model", "artifacts", "lock")} == {""}


@pytest.mark.parametrize("change", ["another file", "another profile", "no manifest"])
def test_only_an_export_of_the_same_profile_is_replaced(store, call, tmp_path, change):
    open_plan(store, "lstm")
    record(store, "lstm", made_predictions(8))
    exported(store, tmp_path / "out")
    if change == "another file":
        (tmp_path / "out" / "runs" / "notes.md").touch()
    elif change == "no manifest":
        (tmp_path / "out" / "manifest.json").unlink()
    else:
        open_plan(store, "lstm", profile="full")
    before = sorted((tmp_path / "out").rglob("*"))

    status, _, err = call("export", "out", "--profile", "full" if change == "another profile" else "quick")
    assert status == 2
    assert_names(err, "out")
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_an_export_of_version_1_is_read(store, call, tmp_path):
    """Made of one of this version: there each run repeats the reviews."""
    assert EXPORT_VERSION == 2
    open_plan(store, "lstm")
    run_id = record(store, "lstm", eight_predictions(7))
    exported(store, tmp_path / "out")
    here = call("report", "--format", "json")
    folder = tmp_path / "out"
    eight_predictions(7).to_parquet(folder / "runs" / run_id / PREDICTIONS_FILE, index=False)
    (folder / "reviews.parquet").unlink()
    manifest = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(content).hexdigest()
        for path, content in manifest.items()
        if path.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps({"export_version": 1, "files": files, "plan": "quick"}))

    assert call("report", "--from", "out", "--format", "json") == here
    assert CONFIG_FILE in {Path(name).name for name in files}
