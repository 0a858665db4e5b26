import pytest

from benchmark.config.load import load_suite, parse_assignments
from tests.helpers.in_process import RATE, Searching


@pytest.fixture
def searching(write_config, store, tmp_path):
    def make(*assignments, **search) -> Searching:
        path = write_config(search=search or {"rnn": {"training.learning_rate": RATE}})
        return Searching(load_suite(path, settings=parse_assignments(assignments)), store, tmp_path)

    return make
