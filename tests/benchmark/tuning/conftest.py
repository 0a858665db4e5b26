import pytest

from benchmark.config.load import load_suite, parse_assignments
from benchmark.tuning import objective
from tests.helpers.in_process import RATE, Searching, scripted_trial


@pytest.fixture
def searching(write_config, store, tmp_path):
    def make(*assignments, **search) -> Searching:
        path = write_config(search=search or {"rnn": {"training.learning_rate": RATE}})
        return Searching(load_suite(path, settings=parse_assignments(assignments)), store, tmp_path)

    return make


@pytest.fixture
def scripted(searching, monkeypatch):
    """`searching`, whose trials train nothing."""
    monkeypatch.setattr(objective, "run_trial", scripted_trial)
    return searching
