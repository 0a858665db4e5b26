"""What `tune`, `study` and `run --tuned` refuse before anything is searched: one line, status 2, nothing made."""

from pathlib import Path

import optuna
import pytest

from tests.helpers.in_process import RATE


@pytest.fixture
def place(here, write_config) -> Path:
    """A working directory with an empty store and an experiments.yaml that has two search spaces."""
    write_config(search={name: {"training.learning_rate": RATE} for name in ("rnn", "lstm")})
    return here


def test_an_experiment_without_a_space(place, call):
    status, _, err = call("tune", "bert-frozen")

    assert status == 2
    assert err == (
        "error: experiment bert-frozen: has no search space; state one in experiments.yaml under search.bert-frozen\n"
    )


def test_all_of_a_file_without_spaces(here, call):
    status, out, err = call("tune", "all")

    assert (status, out) == (2, "")
    assert err == (
        "error: profile quick: none of its experiments has a search space; state one in experiments.yaml under search\n"
    )


def test_a_storage_that_is_mlflows(place, call):
    status, _, err = call("tune", "lstm", "--storage", "sqlite:///mlflow.db")

    assert status == 2
    assert "is MLflow's database; give Optuna one of its own" in err


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:"])
def test_a_storage_that_is_gone_with_its_process(place, call, uri):
    status, _, err = call("tune", "lstm", "--storage", uri)

    assert (status, err.splitlines()[-1]) == (
        2,
        f"error: --storage {uri}: is a database in memory, gone with its process; give sqlite:///optuna.db",
    )


def test_a_grid_of_ranges_before_any_search_begins(place, call):
    status, out, err = call("tune", "rnn", "lstm", "--sampler", "grid", "--storage", "sqlite:///grid.db")

    assert (status, out) == (2, "")
    assert "--sampler grid: training.learning_rate is a range" in err
    assert not (place / "grid.db").exists()


def test_a_storage_that_is_no_database(place, call):
    (place / "text.db").write_text("not a database")

    status, _, err = call("tune", "lstm", "--storage", "sqlite:///text.db")

    assert status == 2
    assert "--storage sqlite:///text.db: cannot be opened" in err


def test_a_storage_that_is_no_url(place, call):
    assert call("study", "lstm", "--storage", "optuna.db")[2] == (
        "error: --storage optuna.db: is no URL such as sqlite:///optuna.db\n"
    )


def test_a_password_is_not_told(place, call):
    status, _, err = call("study", "lstm", "--storage", "postgresql+psycopg://me:secret@127.0.0.1:1/none")

    assert status == 2
    assert "cannot be opened" in err
    assert "secret" not in err


def test_a_study_that_is_not_there(place, call):
    status, _, err = call("study", "lstm", "--storage", "sqlite:///none.db")

    assert status == 2
    assert err == "error: there is no study at sqlite:///none.db yet; `python -m benchmark tune NAME` makes one\n"
    assert not (place / "none.db").exists()


def test_a_study_that_is_being_made(place, call):
    storage = f"sqlite:///{place / 'begun.db'}"
    optuna.create_study(storage=storage).set_user_attr("profile", "quick")
    status, _, err = call("study", "lstm", "--storage", storage)

    assert status == 2
    assert "there is no study of 'lstm'" in err


def test_a_database_whose_driver_is_not_here(place, call):
    err = call("study", "lstm", "--storage", "mysql://localhost/searches")[2]

    assert err.endswith("; install its driver\n")


def test_tuned_settings_of_nobody(place, call):
    status, _, err = call("run", "rnn", "--tuned")

    assert status == 2
    assert "--tuned: there is none of tuned/quick/rnn.yaml" in err
