"""`python -m benchmark run` as a user has it: processes, signals, exit statuses, what is printed and what is recorded.

All tests share one working directory, in which each of its profiles is a suite of its own; starting a process takes
seconds, so what was run once is looked at by several tests.
"""

import json
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow.entities import Run

from benchmark.config_file import load_suite
from benchmark.plan import Workspace, make_plan
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from tests.helpers.recorded import NOWHERE
from tests.helpers.shell import PATIENCE, Done, Shell, finish, first_epoch, rows, slow_rnn

MODELS = ["rnn", "lstm", "bert-frozen", "bert-finetuned"]


@pytest.fixture
def shell(working_shell: Shell, config_content: dict[str, Any]) -> Shell:
    """The working directory: a suite of four models, a suite that goes wrong, and a run that takes its time."""
    slow_rnn(config_content)
    quick = config_content["profiles"]["quick"]
    overflow = {"bert-finetuned": {"model": {"head_learning_rate_scale": 1e38}}}
    config_content["profiles"] |= {
        "failing": quick | {"experiments": ["bert-finetuned", "rnn"], "overrides": overflow},
        "single": quick | {"experiments": ["rnn"]},
        "writing": quick | {"experiments": ["lstm"]},
    }
    working_shell.configure(config_content)
    return working_shell


@dataclass(frozen=True)
class OneModel:
    """After `run rnn` in an empty directory."""

    run: Done
    listed: Done
    reported: Done
    plans: list[str]


@pytest.fixture
def one_model(shell: Shell) -> OneModel:
    def go_there() -> OneModel:
        run = shell.call("run", "rnn")
        both = shell.start("list"), shell.start("report")  # at once: each is mostly imports
        return OneModel(run, *map(finish, both), shell.plan_states("quick"))

    return shell.stage("one model", go_there)


@dataclass(frozen=True)
class AllModels:
    """After `run all` had finished the other models, and `run all` once more."""

    run: Done
    again: Done
    states: list[tuple[str, str]]
    plans: list[str]


@pytest.fixture
def all_models(shell: Shell, one_model: OneModel) -> AllModels:
    return shell.stage(
        "all models",
        lambda: AllModels(
            shell.call("run", "all"), shell.call("run", "all"), shell.states("quick"), shell.plan_states("quick")
        ),
    )


class TestOneModel:
    def test_the_table_shows_it_and_says_that_the_others_are_missing(self, one_model):
        table = rows(one_model.run.out)

        assert one_model.run.status == 0, one_model.run.err
        assert list(table) == MODELS
        assert table["rnn"][0] == "1 of 1"
        assert 0 <= float(table["rnn"][1]) <= 100
        for other in MODELS[1:]:
            assert table[other][:2] == ["0 of 1", "missing"]

    def test_list_says_the_same(self, one_model):
        lines = [line.split() for line in one_model.listed.out.splitlines() if line.startswith(tuple(MODELS))]

        assert one_model.listed.status == 0
        assert {line[0]: line[3] for line in lines} == dict.fromkeys(MODELS, "missing") | {"rnn": "finished"}

    def test_report_prints_the_same_table_again(self, one_model):
        assert one_model.reported.status == 0
        assert one_model.reported.out == one_model.run.out

    def test_the_plan_is_not_finished_yet(self, one_model):
        assert one_model.plans == ["SCHEDULED"]


class TestAllModels:
    def test_it_prints_a_table_of_four_rows_on_standard_output(self, all_models):
        table = rows(all_models.run.out)

        assert all_models.run.status == 0, all_models.run.err
        assert list(table) == MODELS
        for cells in table.values():
            assert cells[0] == "1 of 1"
            assert 0 <= float(cells[1]) <= 100

    def test_it_prints_progress_as_plain_lines_on_standard_error(self, all_models):
        lines = all_models.run.err.splitlines()

        assert lines[0].startswith("profile quick: table ")
        assert lines[0].endswith("200 train, 50 val, 60 test")
        assert lines[1] == "  negative + positive: train 100 + 100, val 25 + 25, test 30 + 30"
        assert lines[-2:] == ["3 finished, 1 skipped, 0 failed", ""]
        for position, name in enumerate(MODELS[1:], start=2):
            start = lines.index(f"[{position}/4] {name} seed 1")
            assert lines[start + 1].startswith("  epoch 1/2: train/loss 0.")
            assert lines[start + 2].startswith("  epoch 2/2: train/loss 0.")
            assert lines[start + 3].startswith("  test/accuracy ")
            assert lines[start + 4].startswith("  finished after ")
        assert len(lines) == 3 + 3 * 5 + 2  # no warning of any library among them
        assert "\r" not in all_models.run.err

    def test_the_finished_model_is_not_run_again(self, all_models):
        assert "[1/4] rnn seed 1: already finished (MLflow run " in all_models.run.err
        assert all_models.states == [(f"{name} seed 1", "FINISHED") for name in MODELS]

    def test_the_plan_is_one_parent_run_and_finished(self, shell, all_models):
        (plan,) = shell.recorded("quick", "plan")

        assert all_models.plans == ["FINISHED"]
        assert {run.data.tags["mlflow.parentRunId"] for run in shell.recorded("quick")} == {plan.info.run_id}

    def test_a_second_time_everything_is_skipped_and_the_same_table_printed(self, all_models):
        assert all_models.again.status == 0
        assert all_models.again.out == all_models.run.out
        assert all_models.again.err.count("already finished") == 4
        assert "0 finished, 4 skipped, 0 failed" in all_models.again.err


@dataclass(frozen=True)
class SecondSeed:
    """After `run rnn --seed 1 2` was interrupted in mid-run, and the same command once more."""

    interrupted: Done
    states: list[tuple[str, str]]
    plans: list[str]
    children_left: list[psutil.Process]
    again: Done
    states_then: list[tuple[str, str]]
    plans_then: list[str]


@pytest.fixture
def second_seed(shell: Shell, all_models: AllModels) -> SecondSeed:
    def go_there() -> SecondSeed:
        process = shell.start("run", "rnn", "--seed", "1", "2")
        first_epoch(process)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGINT)
        interrupted = finish(process)
        return SecondSeed(
            interrupted,
            shell.states("quick"),
            shell.plan_states("quick"),
            [child for child in children if child.is_running()],
            shell.call("run", "rnn", "--seed", "1", "2"),
            shell.states("quick"),
            shell.plan_states("quick"),
        )

    return shell.stage("second seed", go_there)


class TestInterruption:
    def test_it_ends_with_130_and_a_word_in_place_of_a_table(self, second_seed):
        done = second_seed.interrupted

        assert done.status == 130
        assert done.out == ""
        assert done.err.endswith("interrupted; the same command goes on with what is missing\n")
        assert "Traceback" not in done.err, done.err

    def test_run_and_plan_are_recorded_as_killed(self, second_seed, all_models):
        assert second_seed.states == [*all_models.states, ("rnn seed 2", "KILLED")]
        assert second_seed.plans == ["FINISHED", "KILLED"]

    def test_no_process_is_left(self, second_seed):
        assert second_seed.children_left == []

    def test_the_same_command_does_what_is_missing_and_no_more(self, second_seed):
        assert second_seed.again.status == 0, second_seed.again.err
        assert "[1/2] rnn seed 1: already finished" in second_seed.again.err
        assert "1 finished, 1 skipped, 0 failed" in second_seed.again.err
        assert [state for state in second_seed.states_then if state[1] == "FINISHED"] == [
            *((f"{name} seed 1", "FINISHED") for name in MODELS),
            ("rnn seed 2", "FINISHED"),
        ]

    def test_a_table_of_two_seeds_has_means_and_no_row_of_one_seed_alone(self, second_seed):
        table = rows(second_seed.again.out)

        assert table["rnn"][0] == "2 of 2"
        assert "±" in table["rnn"][1]
        for other in MODELS[1:]:
            assert table[other][:2] == ["1 of 2", "incomplete: 1 missing"]
        assert second_seed.plans_then == ["FINISHED", "SCHEDULED"]


@dataclass(frozen=True)
class Failing:
    """After `run all` on two models: the first overflows, and the process of the second is killed in mid-run."""

    run: Done
    bert: Run
    rnn: Run
    plans: list[str]


@pytest.fixture
def failing(shell: Shell) -> Failing:
    def go_there() -> Failing:
        process = shell.start("run", "all", "--profile", "failing")
        said = first_epoch(process)
        (child,) = psutil.Process(process.pid).children(recursive=True)
        child.kill()
        done = finish(process)
        done = Done(done.status, done.out, said + done.err)
        return Failing(done, *shell.recorded("failing"), shell.plan_states("failing"))

    return shell.stage("failing", go_there)


class TestFailure:
    def test_a_run_that_fails_is_recorded_with_a_reason_of_one_line(self, failing):
        """The head's learning rate overflows: from the second step on its logits are no numbers."""
        reason = failing.bert.data.tags["benchmark.error"]

        assert failing.bert.info.status == "FAILED"
        assert reason.startswith("NonFiniteError: epoch 1, step 2: loss nan")
        assert "Lower training.learning_rate" in reason
        assert len(reason.splitlines()) == 1
        assert reason in failing.run.err
        assert reason in failing.run.out

    def test_its_traceback_is_an_artifact_and_not_on_the_screen(self, failing, shell, tmp_path):
        path = Path(shell.client.download_artifacts(failing.bert.info.run_id, "error.txt", str(tmp_path)))

        assert path.read_text(encoding="utf-8").startswith("Traceback (most recent call last):")
        assert "Traceback" not in failing.run.err

    def test_the_other_runs_go_on(self, failing):
        assert failing.rnn.info.run_name == "rnn seed 1"
        assert "[2/2] rnn seed 1" in failing.run.err

    def test_a_run_whose_process_is_killed_is_recorded_with_the_signal(self, failing):
        assert failing.rnn.info.status == "FAILED"
        assert "signal 9" in failing.rnn.data.tags["benchmark.error"]
        assert failing.rnn.data.tags["benchmark.error"] in failing.run.err

    def test_the_command_ends_with_1_and_the_table(self, failing):
        table = rows(failing.run.out)

        assert failing.run.status == 1
        assert "0 finished, 0 skipped, 2 failed" in failing.run.err
        assert table["bert-finetuned"][:2] == table["rnn"][:2] == ["0 of 1", "failed"]
        assert failing.plans == ["FAILED"]


@pytest.fixture
def start_child(shell: Shell) -> Callable[..., subprocess.Popen[str]]:
    """`start_child(profile)` starts the process of the profile's one run, as `run` would, and is its parent."""

    def start(profile: str, program: Sequence[str] = ("-m", "benchmark.child")) -> subprocess.Popen[str]:
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
    assert shell.states("single")[-1:] == [("the run", "KILLED")]


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

from benchmark import child
sys.exit(child.main())
"""


def test_a_run_that_is_interrupted_while_it_writes_to_the_store_is_recorded_all_the_same(shell, start_child):
    child = start_child("writing", ["-c", SIGNAL_WHILE_WRITING])
    said = child.stderr.read()

    assert child.wait(PATIENCE) == 130
    assert "Traceback" not in said
    assert shell.states("writing") == [("the run", "KILLED")]


def test_the_peak_memory_of_a_run_is_its_own_and_not_that_of_the_process_that_started_it(shell):
    ballast = bytearray(2**30)
    code = "from benchmark.environment import peak_memory_mib; print(peak_memory_mib())"
    done = finish(shell.start(program=["-c", code]))

    assert 10 < float(done.out) < len(ballast) / 2**20
