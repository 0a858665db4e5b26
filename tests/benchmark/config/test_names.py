"""Names of plans and runs: they say what a call changed against its profile."""

import pytest

from benchmark.config.load import load_suite, locate_config, profile_names


@pytest.mark.parametrize(
    ("settings", "seeds", "plan", "runs"),
    [
        ({}, (), "quick", ["rnn seed 1", "lstm seed 1"]),
        ({}, (1, 2), "seeds=1 2", ["rnn seed 1", "lstm seed 1", "rnn seed 2", "lstm seed 2"]),
        (
            {"training.epochs": 3, "data.train_size": 100},
            (),
            "train_size=100, epochs=3",
            ["rnn seed 1, train_size=100, epochs=3", "lstm seed 1, train_size=100, epochs=3"],
        ),
        ({"lstm.model.dropout": 0.5}, (), "lstm.dropout=0.5", ["rnn seed 1", "lstm seed 1, dropout=0.5"]),
        (
            {"data.train_size": [50, 100]},
            (),
            "train_size=50 100",
            [f"{name} seed 1, train_size={size}" for size in (50, 100) for name in ("rnn", "lstm")],
        ),
    ],
)
def test_names_say_what_the_call_changed(write_config, settings, seeds, plan, runs):
    suite = load_suite(write_config(profiles={"quick": {"experiments": ["rnn", "lstm"]}}), "quick", settings, seeds)

    assert suite.name == plan
    assert ("changed: " + plan in suite.title) == (plan != "quick")
    assert [run.name for run in suite.runs()] == runs


def test_names_show_of_a_path_the_file_and_fit_where_mlflow_keeps_them(write_config, reviews_csv):
    settings = {"data.path": str(reviews_csv), "rnn.model.name": "rnn", "rnn.model.dropout": 0.123456789}
    settings |= {f"{name}.tokens.max_length": 40 for name in ("rnn", "lstm", "bert-frozen", "bert-finetuned")}
    settings |= {f"{name}.training.batch_size": 40 for name in ("rnn", "lstm", "bert-frozen", "bert-finetuned")}
    suite = load_suite(write_config(), "quick", settings)

    assert (
        suite.runs()[0].name
        == f"rnn seed 1, path={reviews_csv.name}, name=rnn, dropout=0.1235, max_length=40, batch_size=40"
    )
    assert len(suite.name) <= 160


def test_every_experiment_that_ships_has_a_search_space_that_holds_its_settings():
    for profile in profile_names(locate_config(None)):
        suite = load_suite(locate_config(None), profile)
        assert set(suite.search) == set(suite.experiments)
        for name, space in suite.search.items():
            space.check_start(suite.experiments[name].plain(), name)
