"""What is left to do for a finished run."""

from dataclasses import replace

import pytest

from benchmark.config_file import load_suite
from benchmark.launch import Launcher
from benchmark.plan import make_plan
from benchmark.run_lock import hold
from benchmark.tracking import tags
from tests.helpers.recorded import NOWHERE, Made


@pytest.fixture
def planned(write_config):
    return next(iter(make_plan(load_suite(write_config(), "quick"), NOWHERE).runs))


@pytest.fixture
def launcher(store, tmp_path) -> Launcher:
    workspace = replace(NOWHERE, tracking_uri=store.uri, cache_dir=tmp_path / ".benchmark")
    return Launcher(store, workspace, lambda _: None, parent_id="a plan")


@pytest.fixture
def left_over(launcher, planned):
    """A checkpoint that a kill between the run's last write and its removal has left."""
    folder = launcher.workspace.checkpoint_dir(planned.identity)
    (folder / "step-000000001").mkdir(parents=True)
    return folder


@pytest.fixture
def finished(store, planned):
    return Made(experiment="rnn", fingerprint=planned.fingerprint).record(store)


def test_a_finished_run_is_nested_in_the_plan_that_uses_it(launcher, planned, finished, store):
    launcher.adopt(planned, finished)

    assert store.run(finished.run_id).tags[tags.PARENT] == "a plan"


def test_what_a_kill_left_of_a_finished_training_is_removed(launcher, planned, finished, left_over):
    launcher.adopt(planned, finished)

    assert not left_over.exists()


def test_a_checkpoint_of_one_who_does_the_run_afresh_is_left_alone(launcher, planned, finished, left_over):
    with hold(launcher.workspace.lock(planned.identity)):
        launcher.adopt(planned, finished)

    assert left_over.exists()
