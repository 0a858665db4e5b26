"""Runs that were waited for, started over or reproduced: real processes. Kills are in tests/faults."""

from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from mlflow.entities import Run

from tests.helpers.facts import assert_names
from tests.helpers.shell import Shell, finish, first_epoch, rows, said_until, slow_rnn


@pytest.fixture
def shell(working_shell: Shell, config_content: dict[str, Any]) -> Shell:
    """One working directory for the module."""
    slow_rnn(config_content)
    working_shell.configure(config_content)
    return working_shell


@pytest.fixture
def waited(shell: Shell) -> SimpleNamespace:
    """After `run rnn`, while a second `run rnn` was waiting for it."""

    def go_there() -> SimpleNamespace:
        started = shell.start("run", "rnn")
        first_epoch(started)
        (worker,) = psutil.Process(started.pid).children(recursive=True)
        worker.suspend()  # until the second is there
        waiting = shell.start("run", "rnn")
        said = said_until(waiting, "rnn seed 1: another process ")
        worker.resume()
        first = finish(started)
        second = finish(waiting)
        (run,), plans = shell.recorded("quick"), shell.plan_states("quick")
        return SimpleNamespace(first=first, second=second, said=said + second.err, run=run, plans=plans)

    return shell.stage("waited", go_there)


def test_of_two_at_once_the_second_waits_and_does_nothing_twice(waited):
    assert (waited.first.status, waited.second.status) == (0, 0), waited.said
    assert "0 finished, 1 skipped, 0 failed" in waited.said
    assert "was killed" not in waited.said
    assert waited.second.out == waited.first.out
    assert (waited.run.info.status, waited.plans) == ("FINISHED", ["SCHEDULED"])


def losses(shell: Shell, run: Run) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in shell.client.get_metric_history(run.info.run_id, "val/loss")]


def test_fresh_does_a_finished_run_anew_and_leaves_the_old_one_in_mlflow(shell, waited):
    done = shell.call("run", "rnn", "--fresh")
    (new,), (old,) = shell.recorded("quick"), shell.recorded("quick", "set aside")

    assert done.status == 0, done.err
    assert old.info.run_id == waited.run.info.run_id
    assert new.info.status == "FINISHED"
    assert "epoch 1/2" in done.err
    assert rows(done.out)["rnn"][0] == "1 of 1"
    assert losses(shell, new) == losses(shell, old)


def test_a_reproduced_run_is_equal_bit_for_bit_and_no_row_of_the_table(shell, waited):
    run_id = waited.run.info.run_id
    done = shell.call("reproduce", run_id[:12])
    (again,) = shell.recorded("quick", "reproduction")

    assert done.status == 0, done.err
    assert_names(done.out.splitlines()[0], "equal: ", "2 epochs", "60 test predictions", "bit for bit")
    assert again.info.status == "FINISHED"
    assert again.data.tags["mlflow.parentRunId"] == run_id
    assert shell.client.get_run(run_id).data.tags["benchmark.reproduced"].startswith("equal: ")
