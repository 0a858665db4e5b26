"""`python -m benchmark run` as a user has it: processes, signals, exit statuses, what is printed and what is recorded.

All tests share one working directory, in which each of its profiles is a suite of its own; starting a process takes
seconds, so what was run once is looked at by several tests.
"""

import json
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from benchmark.config.load import load_suite
from benchmark.plan.plan import make_plan
from benchmark.plan.workspace import Workspace
from benchmark.startup import worker_command
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from tests.helpers.facts import assert_names
from tests.helpers.recorded import NOWHERE
from tests.helpers.shell import PATIENCE, Shell, finish, first_epoch, rows, slow_rnn

MODELS = ["rnn", "bert-finetuned"]  # each needs a process and its imports; all four are trained in tests/faults
WORKER = tuple(worker_command("benchmark.launch.worker")[1:])


@pytest.fixture
def shell(working_shell: Shell, config_content: dict[str, Any]) -> Shell:
    """The working directory: a suite of two models, a suite that goes wrong, and a run that takes its time."""
    slow_rnn(config_content)
    quick = config_content["profiles"]["quick"] | {"experiments": MODELS}
    overflow = {"bert-finetuned": {"model": {"head_learning_rate_scale": 1e38}}}
    config_content["profiles"] |= {
        "quick": quick,
        "failing": quick | {"experiments": ["bert-finetuned", "rnn"], "overrides": overflow},
        "single": quick | {"experiments": ["rnn"]},
        "writing": quick | {"experiments": ["lstm"]},
    }
    working_shell.configure(config_content)
    return working_shell


@pytest.fixture
def one_model(shell: Shell) -> SimpleNamespace:
    """After `run rnn` in an empty directory."""
    return shell.stage(
        "one model", lambda: SimpleNamespace(run=shell.call("run", "rnn"), plans=shell.plan_states("quick"))
    )


@pytest.fixture
def all_models(shell: Shell, one_model: SimpleNamespace) -> SimpleNamespace:
    """After `run all` had finished the other models, and `run all` once more."""

    def go_there() -> SimpleNamespace:
        run, again = shell.call("run", "all"), shell.call("run", "all")
        return SimpleNamespace(run=run, again=again, states=shell.states("quick"), plans=shell.plan_states("quick"))

    return shell.stage("all models", go_there)


def test_after_one_model_the_table_shows_it_and_a_line_names_the_others(one_model):
    table = rows(one_model.run.out)

    assert one_model.run.status == 0, one_model.run.err
    assert list(table) == ["rnn"]
    assert table["rnn"][0] == "1 of 1"
    assert 0 <= float(table["rnn"][1]) <= 100
    [line] = [line for line in one_model.run.out.splitlines() if line.startswith("Not run")]
    assert_names(line, *MODELS[1:])
    assert one_model.plans == ["SCHEDULED"]


class TestAllModels:
    def test_it_prints_a_table_with_a_row_per_model_and_a_second_time_the_same(self, all_models):
        table = rows(all_models.run.out)

        assert all_models.run.status == all_models.again.status == 0, all_models.run.err
        assert all_models.again.out == all_models.run.out
        assert "0 finished, 2 skipped, 0 failed" in all_models.again.err
        assert list(table) == MODELS
        for cells in table.values():
            assert cells[0] == "1 of 1"
            assert 0 <= float(cells[1]) <= 100

    def test_it_prints_progress_as_plain_lines_on_standard_error(self, all_models):
        lines = all_models.run.err.splitlines()

        assert_names(lines[0], "quick", "table ", "200 train, 50 val, 60 test")
        assert_names(lines[1], "100 + 100", "25 + 25", "30 + 30")
        assert lines[2].startswith("[1/2] rnn seed 1: ")
        assert "MLflow run " in lines[2]
        assert lines[-2:] == ["1 finished, 1 skipped, 0 failed", ""]
        for position, name in enumerate(MODELS[1:], start=2):
            start = lines.index(f"[{position}/2] {name} seed 1")
            assert lines[start + 1].startswith("  epoch 1/2: train/loss 0.")
            assert lines[start + 2].startswith("  epoch 2/2: train/loss 0.")
            assert lines[start + 3].startswith("  test/accuracy ")
            assert lines[start + 4].startswith("  finished ")
        assert len(lines) == 3 + 1 * 5 + 2  # no warning of any library among them
        assert "\r" not in all_models.run.err

    def test_each_model_is_run_once_under_one_finished_plan(self, shell, all_models):
        (plan,) = shell.recorded("quick", "plan")

        assert all_models.states == [(f"{name} seed 1", "FINISHED") for name in MODELS]
        assert all_models.plans == ["FINISHED"]
        assert {run.data.tags["mlflow.parentRunId"] for run in shell.recorded("quick")} == {plan.info.run_id}


def test_an_interrupted_call_is_recorded_as_killed_and_the_same_command_does_what_is_missing(shell, all_models):
    command = ("run", "rnn", "--seed", "1", "2")
    process = shell.start(*command)
    first_epoch(process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    done = finish(process)

    assert (done.status, done.out) == (130, "")
    assert done.err.splitlines()[-1].startswith("Interrupted")
    assert "Traceback" not in done.err, done.err
    assert shell.states("quick") == [*all_models.states, ("rnn seed 2", "KILLED")]
    assert shell.plan_states("quick") == ["FINISHED", "KILLED"]
    assert children
    assert [child for child in children if child.is_running()] == []

    again = shell.call(*command)
    table = rows(again.out)

    assert again.status == 0, again.err
    assert "[1/2] rnn seed 1: " in again.err
    assert "1 finished, 1 skipped, 0 failed" in again.err
    finished = [*all_models.states, ("rnn seed 2", "FINISHED")]
    assert [state for state in shell.states("quick") if state[1] == "FINISHED"] == finished
    assert shell.plan_states("quick") == ["FINISHED", "SCHEDULED"]
    assert table["rnn"][0] == "2 of 2"  # and no row of one seed alone
    assert "±" in table["rnn"][1]
    for other in MODELS[1:]:
        assert table[other][0] == "1 of 2"
        assert "1 missing" in table[other][1]


def test_a_run_that_fails_and_one_whose_process_is_killed_are_recorded_with_the_reason(shell, tmp_path):
    """The head's learning rate overflows: from the second step on its logits are no numbers."""
    process = shell.start("run", "all", "--profile", "failing")
    said = first_epoch(process)
    (child,) = psutil.Process(process.pid).children(recursive=True)
    child.kill()
    done = finish(process)
    said, table, (bert, rnn) = said + done.err, rows(done.out), shell.recorded("failing")
    overflow, killed = (run.data.tags["benchmark.error"] for run in (bert, rnn))

    assert done.status == 1
    assert "0 finished, 0 skipped, 2 failed" in said
    assert "[2/2] rnn seed 1" in said
    assert table["bert-finetuned"][:2] == table["rnn"][:2] == ["0 of 1", "failed"]
    assert shell.states("failing") == [("bert-finetuned seed 1", "FAILED"), ("rnn seed 1", "FAILED")]
    assert shell.plan_states("failing") == ["FAILED"]
    assert_names(overflow, "NonFiniteError: ", "epoch 1", "step 2", "nan", "training.learning_rate")
    assert len(overflow.splitlines()) == 1
    assert overflow in said
    assert overflow in done.out
    assert "signal 9" in killed
    assert killed in said
    traceback = Path(shell.client.download_artifacts(bert.info.run_id, "error.txt", str(tmp_path)))
    assert traceback.read_text(encoding="utf-8").startswith("Traceback (most recent call last):")
    assert "Traceback" not in said


@pytest.fixture
def start_child(shell: Shell) -> Callable[..., subprocess.Popen[str]]:
    """`start_child(profile)` starts the process of the profile's one run, as `run` would, and is its parent."""

    def start(profile: str, program: Sequence[str] = WORKER) -> subprocess.Popen[str]:
        workspace = Workspace(shell.uri, shell.folder / "cache-of-children", "cpu")
        plan = make_plan(load_suite(shell.folder / "experiments.yaml", profile), NOWHERE)
        store = TrackingStore(workspace.tracking_uri, workspace.cache_dir)
        (planned,) = plan.runs
        tracker = store.start_run(
            profile, "the run", run_tags(parent=store.open_plan(plan.record), experiment="x", seed=1, fingerprint="x")
        )
        child = shell.start(program=program)
        request = {"planned": planned.to_json(), "workspace": workspace.to_json(), "run_id": tracker.run_id}
        child.stdin.write(json.dumps(request) + "\n")
        child.stdin.flush()
        return child

    return start


def test_a_run_ends_when_the_process_that_started_it_is_gone(shell, start_child):
    child = start_child("single")
    first_epoch(child)

    done = finish(child)  # closes its standard input, as the end of the other process would

    assert done.status == 130
    assert shell.states("single") == [("the run", "KILLED")]


def test_a_run_that_is_interrupted_while_it_starts_ends_without_a_traceback(start_child):
    done = finish(start_child("single"))

    assert done.status == 130
    assert "Traceback" not in done.err


SIGNAL_WHILE_WRITING = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine

@event.listens_for(Engine, "after_cursor_execute")
def interrupt(connection, cursor, statement, *rest):
    if statement.startswith("INSERT INTO metrics"):
        os.kill(os.getpid(), signal.SIGTERM)  # handled once, ignored from then on

from benchmark.launch import worker
sys.exit(worker.main())
"""


def test_a_run_that_is_interrupted_while_it_writes_to_the_store_is_recorded_all_the_same(shell, start_child):
    child = start_child("writing", ["-c", SIGNAL_WHILE_WRITING])
    said = child.stderr.read()

    assert child.wait(PATIENCE) == 130
    assert "Traceback" not in said
    assert shell.states("writing") == [("the run", "KILLED")]


def test_the_peak_memory_of_a_run_is_its_own_and_not_that_of_the_process_that_started_it(shell):
    ballast = bytearray(2**30)
    code = "from benchmark.training.environment import peak_memory_mib; print(peak_memory_mib())"
    done = finish(shell.start(program=["-c", code]))

    assert 10 < float(done.out) < len(ballast) / 2**20
