"""A profile in which lstm has two seeds and the other models have one, as commands and notebooks see it."""

import json

import pytest

import benchmark
from benchmark.cli.main import main
from benchmark.config.load import load_suite
from tests.helpers.facts import assert_names
from tests.helpers.recorded import SPEED
from tests.helpers.recorded_plan import cells, record_plan

RUNS = {("rnn", 1), ("lstm", 1), ("lstm", 5), ("bert-frozen", 1), ("bert-finetuned", 1)}


@pytest.fixture
def own(here, write_config):
    write_config(profiles={"quick": {"overrides": {"lstm": {"seeds": [1, 5]}}}})
    return here


@pytest.fixture
def done(own, store_uri):
    record_plan(store_uri, load_suite(own / "experiments.yaml"), own / "cache")
    return own


def listed(out: str) -> list[tuple[str, int, str]]:
    rows = [line.split() for line in out.splitlines()]
    return [(row[0], int(row[2]), row[3]) for row in rows if len(row) > 3 and row[1] == row[0] and row[2].isdigit()]


@pytest.mark.usefixtures("done")
def test_list_shows_each_run_and_counts_the_plans(call):
    out = call("list")[1]

    assert {(name, seed) for name, seed, _ in listed(out)} == RUNS
    assert {state for *_, state in listed(out)} == {"finished"}
    [plan] = [line for line in out.splitlines() if "5 of 5" in line]
    assert_names(plan, "list, report", "quick")


@pytest.mark.usefixtures("done")
def test_list_of_seeds_of_the_command_line_is_of_another_plan(call):
    out = call("list", "--seed", "5")[1]

    assert {(name, seed) for name, seed, _ in listed(out)} == {(name, 5) for name, _ in RUNS}
    assert [name for name, _, state in listed(out) if state == "finished"] == ["lstm"]


@pytest.mark.usefixtures("own")
def test_a_dry_run_counts_the_runs(call, monkeypatch):
    monkeypatch.setattr("benchmark.cli.dry_run.measure_speed", lambda *_: SPEED)
    lines = [line.split() for line in call("run", "lstm", "rnn", "--dry-run")[1].splitlines()]

    assert [tuple(line[:2]) for line in lines if line[:1] in (["rnn"], ["lstm"])] == [
        *(("rnn", "1"), ("lstm", "1"), ("lstm", "5"))
    ]


@pytest.mark.usefixtures("done")
def test_the_report_has_the_runs_of_each_row(call):
    out = call("report")[1]
    rows = json.loads(call("report", "--format", "json")[1])["rows"]

    assert (cells(out, "lstm")[0], cells(out, "rnn")[0]) == ("2 of 2", "1 of 1")
    assert {(row["model"], seed) for row in rows for seed in row["seeds"]} == RUNS


@pytest.mark.usefixtures("done")
def test_a_notebook_has_predictions_and_comparisons_of_the_runs_there_are():
    results = benchmark.load_results()

    assert results.unfinished() == {}
    assert set(results.predictions("lstm")["seed"]) == {1, 5}
    assert set(results.predictions("rnn")["seed"]) == {1}
    table = results.table().set_index("model")
    assert (table.loc["lstm", "seeds"], table.loc["rnn", "seeds"]) == ("1 5", "1")
    found = results.compare("lstm", "rnn")
    assert_names(found.test, "McNemar")
    assert found.difference == table.loc["lstm", "test_accuracy_mean"] - table.loc["rnn", "test_accuracy_mean"]


@pytest.mark.process
@pytest.mark.usefixtures("own")
def test_part_of_the_plan_is_run_and_the_rest_of_it_is_missing():
    assert main(["run", "lstm", "--set", "training.epochs=1", "--set", "data.train_size=40,60", "--device", "cpu"]) == 0
    results = benchmark.load_results()

    assert results.unfinished("lstm") == {}
    assert len(results.unfinished()) == 2 * 3
    assert set(results.table().query("model == 'lstm'")["seeds"]) == {"1 5"}
