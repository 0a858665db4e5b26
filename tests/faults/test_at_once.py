"""Several `run all` at once on one store and one cache, which are not even there when they begin."""

import re
import signal
import time
from collections.abc import Sequence
from subprocess import Popen

import psutil
import pytest

from tests.helpers.place import PATIENCE, Place

pytestmark = pytest.mark.outage

EXPERIMENTS = ["rnn", "bert-finetuned"]
# The RNN's epochs take a second or two, so that it is killed in the middle of one.
OPTIONS = ("--checkpoint-steps", "5", "--set", "rnn.model.layers=4", "--set", "rnn.training.batch_size=1")


def owner_of_a_run(place: Place, processes: Sequence[Popen[bytes]]) -> psutil.Process:
    """The process whose run is the first to have written a checkpoint."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if list(place.folder.glob(".benchmark/checkpoints/*/step-*")):
            for each in processes:
                if psutil.Process(each.pid).children():
                    return psutil.Process(each.pid)
        time.sleep(0.02)
    raise AssertionError([path.read_text() for path in place.folder.glob("log-*.txt")])


def counted(log: str) -> tuple[int, ...]:
    """How many runs a call finished, skipped and failed; none where it was killed."""
    found = re.search(r"(\d+) finished, (\d+) skipped, (\d+) failed", log)
    return tuple(map(int, found.groups())) if found else (0, 0, 0)


def test_of_three_at_once_one_is_killed_and_the_others_do_every_run_exactly_once(make_place):
    place = make_place(EXPERIMENTS, database=False)
    processes = [place.start(*OPTIONS, log=f"log-{number}.txt") for number in range(3)]
    owner = owner_of_a_run(place, processes)
    owners = [*owner.children(recursive=True), owner]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # at once, so that neither tells of the other's end
        for process in owners:
            process.send_signal(number)
    (taken_over,) = [run.info.run_id for run in place.runs() if run.info.status == "RUNNING"]
    statuses = [process.wait(PATIENCE) for process in processes]
    statuses.append(place.start(*OPTIONS, log="log-3.txt").wait(PATIENCE))
    logs = [(place.folder / f"log-{number}.txt").read_text(encoding="utf-8") for number in range(4)]

    assert sorted(statuses) == [-9, 0, 0, 0], logs
    sums = [sum(counts) for counts in zip(*map(counted, logs), strict=True)]
    assert sums == [len(EXPERIMENTS), 2 * len(EXPERIMENTS), 0], logs
    assert counted(logs[-1]) == (0, len(EXPERIMENTS), 0)  # who comes later skips everything

    runs = place.runs()
    assert sorted(run.data.tags["benchmark.experiment"] for run in runs) == sorted(EXPERIMENTS)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [run.info.status for run in place.runs("plan")] == ["FINISHED"]
    assert place.runs("set aside") == []
    assert place.left_over() == []

    assert taken_over in place.finished()  # in the same MLflow run, after its last checkpoint
    assert len(re.findall(r"^  [^\d\n]*step \d+", "\n".join(logs), re.MULTILINE)) == 1, logs
    for run in runs:
        for key in run.data.metrics:
            steps = [metric.step for metric in place.client.get_metric_history(run.info.run_id, key)]
            assert len(steps) == len(set(steps)), key
