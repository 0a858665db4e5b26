"""`benchmark.run` trains, resumes and reports as `python -m benchmark run` does."""

import pytest

import benchmark

pytestmark = pytest.mark.process


def test_run_trains_what_is_missing_and_returns_its_results(here):
    said = []
    choice = {"settings": {"rnn.training.epochs": 1, "data.train_size": 40}, "seeds": [2]}

    results = benchmark.run("rnn", **choice, say=said.append)

    assert results.predictions("rnn")["seed"].unique().tolist() == [2]
    assert results.unfinished("rnn") == {}
    assert "missing" in results.unfinished()["lstm seed 2"]
    table = results.table().set_index("experiment")
    assert table.loc["rnn", "train_size"] == 40

    again = benchmark.run(["rnn"], **choice, say=said.append)

    assert sum("skipped" in line for line in said) >= 1
    assert again.predictions("rnn").equals(results.predictions("rnn"))
