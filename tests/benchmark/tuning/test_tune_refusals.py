"""What `tune`, `study` and `run --tuned` refuse before anything is searched: one line, status 2, nothing made."""

from pathlib import Path

import optuna
import pytest

from tests.helpers.facts import assert_names, error_lines
from tests.helpers.in_process import RATE


@pytest.fixture
def place(here, write_config) -> Path:
    """A working directory with an empty store and an experiments.yaml that has two search spaces."""
    write_config(search={name: {"training.learning_rate": RATE} for name in ("rnn", "lstm")})
    return here


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (["tune", "bert-frozen"], ["bert-frozen", "experiments.yaml", "search.bert-frozen"]),
        (["tune", "lstm", "--storage", "sqlite:///mlflow.db"], ["sqlite:///mlflow.db", "MLflow"]),
        (["tune", "lstm", "--storage", "sqlite://"], ["--storage", "got sqlite://,"]),
        (["tune", "lstm", "--storage", "sqlite:///:memory:"], ["--storage", "got sqlite:///:memory:,"]),
        (
            ["tune", "rnn", "lstm", "--sampler", "grid", "--storage", "sqlite:///none.db"],
            ["--sampler grid", "training.learning_rate"],
        ),
        (["tune", "lstm", "--storage", "sqlite:///text.db"], ["--storage sqlite:///text.db"]),
        (["study", "lstm", "--storage", "optuna.db"], ["--storage optuna.db", "sqlite:///optuna.db"]),
        (["study", "lstm", "--storage", "sqlite:///none.db"], ["sqlite:///none.db", "`python -m benchmark tune NAME`"]),
        (["study", "lstm", "--storage", "sqlite:///begun.db"], ["'lstm'"]),
        (["study", "lstm", "--storage", "mysql://localhost/searches"], ["mysql://localhost/searches", "driver"]),
        (["run", "rnn", "--tuned"], ["--tuned", "tuned/quick/rnn.yaml"]),
    ],
)
def test_refused(place, call, arguments, facts):
    (place / "text.db").write_text("not a database")
    optuna.create_study(storage="sqlite:///begun.db").set_user_attr("profile", "quick")
    status, out, err = call(*arguments)

    assert (status, out) == (2, "")
    [line] = error_lines(err)
    assert_names(line, *facts)
    assert not (place / "none.db").exists()


def test_all_of_a_file_without_spaces(here, call):
    status, out, err = call("tune", "all")

    assert (status, out) == (2, "")
    [line] = error_lines(err)
    assert_names(line, "quick", "experiments.yaml", "search")
