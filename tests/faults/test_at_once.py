"""Several `run all` at once on one store and one cache, which are not even there when they begin."""

import re
import signal
import time
from dataclasses import dataclass

import psutil
import pytest

from tests.helpers.place import PATIENCE, Place

EXPERIMENTS = ["rnn", "bert-finetuned"]
# The RNN's epochs take a second or two, so that it is killed in the middle of one.
OPTIONS = ("--checkpoint-steps", "5", "--set", "rnn.model.layers=4", "--set", "rnn.training.batch_size=1")


@dataclass(frozen=True)
class Together:
    """After three calls at once, the first of which was killed with its run while it trained."""

    place: Place
    statuses: list[int]
    logs: list[str]
    at_work_when_killed: list[str]


@pytest.fixture(scope="module")
def stages() -> dict[str, Together]:
    return {}


@pytest.fixture
def together(stages, make_place) -> Together:
    if "together" not in stages:
        stages["together"] = three_at_once(make_place(EXPERIMENTS, database=False))
    return stages["together"]


def three_at_once(place: Place) -> Together:
    processes = [place.start(*OPTIONS, log=f"log-{number}.txt") for number in range(3)]
    owner = wait_for(place, lambda: owner_of_a_run(place, processes))
    owners = [*psutil.Process(owner.pid).children(recursive=True), psutil.Process(owner.pid)]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # at once, so that neither tells of the other's end
        for process in owners:
            process.send_signal(number)
    running = [run.info.run_id for run in place.runs() if run.info.status == "RUNNING"]
    statuses = [process.wait(PATIENCE) for process in processes]
    later = place.start(*OPTIONS, log="log-3.txt")
    statuses.append(later.wait(PATIENCE))
    logs = [(place.folder / f"log-{number}.txt").read_text(encoding="utf-8") for number in range(4)]
    return Together(place, statuses, logs, running)


def owner_of_a_run(place: Place, processes):
    """The process whose run has written a checkpoint, or None."""
    if not list(place.folder.glob(".benchmark/checkpoints/*/step-*")):
        return None
    return next((each for each in processes if psutil.Process(each.pid).children()), None)


def wait_for(place: Place, condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, [path.read_text() for path in place.folder.glob("log-*.txt")]
        time.sleep(0.02)
    return found


def counted(log: str) -> tuple[int, int, int]:
    """How many runs a call finished, skipped and failed; none where it was killed."""
    found = re.search(r"(\d+) finished, (\d+) skipped, (\d+) failed", log)
    return tuple(map(int, found.groups())) if found else (0, 0, 0)


def test_one_is_killed_and_the_others_do_all_that_there_is(together):
    assert sorted(together.statuses) == [-9, 0, 0, 0], together.logs


def test_every_run_is_done_exactly_once(together):
    done = [run.data.tags["benchmark.experiment"] for run in together.place.runs()]

    assert sorted(done) == sorted(EXPERIMENTS)
    assert {run.info.status for run in together.place.runs()} == {"FINISHED"}
    assert together.place.runs("set aside") == []
    assert sum(counted(log)[0] for log in together.logs) == len(EXPERIMENTS), together.logs
    assert sum(counted(log)[1] for log in together.logs) == 2 * len(EXPERIMENTS), together.logs
    assert sum(counted(log)[2] for log in together.logs) == 0, together.logs


def test_the_run_of_the_one_that_was_killed_is_taken_over(together):
    """In the same MLflow run, after its last checkpoint."""
    (taken_over,) = together.at_work_when_killed

    assert taken_over in together.place.finished()
    assert sum("goes on after step" in log for log in together.logs) == 1, together.logs


def test_no_metric_has_a_step_twice(together):
    for run in together.place.runs():
        for key in run.data.metrics:
            steps = [metric.step for metric in together.place.client.get_metric_history(run.info.run_id, key)]
            assert len(steps) == len(set(steps)), key


def test_there_is_one_plan_and_it_is_finished(together):
    assert [run.info.status for run in together.place.runs("plan")] == ["FINISHED"]


def test_nothing_is_left_over(together):
    assert together.place.left_over() == []


def test_who_comes_later_skips_everything(together):
    assert counted(together.logs[-1]) == (0, len(EXPERIMENTS), 0)
