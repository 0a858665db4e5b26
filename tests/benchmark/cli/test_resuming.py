"""Runs that were killed, waited for or started over: real processes, an sqlite store and a real tracking server."""

import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.helpers.facts import assert_names
from tests.helpers.outage import Server
from tests.helpers.shell import Shell, finish, first_epoch, rows, said_until, slow_rnn


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    shutil.copy(empty_database, made.folder / "mlflow.db")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def shell(working_shell: Shell, config_content: dict[str, Any]) -> Shell:
    """One working directory for the module."""
    slow_rnn(config_content)
    working_shell.configure(config_content)
    return working_shell


@dataclass(frozen=True)
class Store:
    """A store as MLflow itself shows it."""

    client: MlflowClient

    def recorded(self, kind: str = "run") -> list[Run]:
        experiment = self.client.get_experiment_by_name("imdb-quick")
        return list(self.client.search_runs([experiment.experiment_id], f"tags.`benchmark.kind` = '{kind}'"))

    def history(self, run: Run, key: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in self.client.get_metric_history(run.info.run_id, key)]

    def predictions(self, run: Run) -> pd.DataFrame:
        return pd.read_parquet(self.client.download_artifacts(run.info.run_id, "predictions.parquet"))


@pytest.fixture
def killed(shell: Shell, server: Server) -> SimpleNamespace:
    """After `run rnn` on a server, killed with its child after an epoch; what `list` said; and `run rnn` once more."""

    def go_there() -> SimpleNamespace:
        options = ("--tracking-uri", server.uri, "--cache-dir", "cache-of-killed")
        store = Store(MlflowClient(server.uri))
        process = shell.start("run", "rnn", *options)
        first_epoch(process)
        (child,) = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGSTOP)  # so that the parent cannot write down how its child ended
        child.kill()
        process.kill()
        process.communicate()
        (orphan,), (plan_then,) = store.recorded(), store.recorded("plan")
        listed, again = shell.call("list", *options), shell.call("run", "rnn", *options)
        (run,), (plan,) = store.recorded(), store.recorded("plan")
        return SimpleNamespace(
            store=store, orphan=orphan, plan_then=plan_then, listed=listed, again=again, run=run, plan=plan
        )

    return shell.stage("killed", go_there)


@pytest.fixture
def undisturbed(shell: Shell) -> SimpleNamespace:
    """After `run rnn` on an sqlite store, while a second `run rnn` was waiting for it."""

    def go_there() -> SimpleNamespace:
        store, started = Store(shell.client), shell.start("run", "rnn")
        first_epoch(started)
        (child,) = psutil.Process(started.pid).children(recursive=True)
        child.suspend()  # until the second is there
        waiting = shell.start("run", "rnn")
        said = said_until(waiting, "rnn seed 1: another process ")
        child.resume()
        first = finish(started)
        (run,) = store.recorded()
        second = finish(waiting)
        return SimpleNamespace(store=store, first=first, second=second, said=said + second.err, run=run)

    return shell.stage("undisturbed", go_there)


class TestKilled:
    def test_a_kill_leaves_run_and_plan_running_and_list_tells_that_it_was_interrupted(self, killed):
        (line,) = [line for line in killed.listed.out.splitlines() if line.startswith("rnn")]

        assert (killed.orphan.info.status, killed.plan_then.info.status) == ("RUNNING", "RUNNING")
        assert "interrupted" in line
        assert re.search(r"`run rnn` .*step [1-9]", line)

    def test_the_same_command_resumes_in_the_same_mlflow_run(self, shell, killed):
        assert killed.again.status == 0, killed.again.err
        assert "was killed" in killed.again.err
        assert re.search(r"^  [^\d\n]*step (\d+)\D+(?!\1$)\d+$", killed.again.err, re.MULTILINE)
        assert "epoch 1/2" not in killed.again.err
        assert killed.run.info.run_id == killed.orphan.info.run_id
        assert (killed.run.info.status, killed.plan.info.status) == ("FINISHED", "SCHEDULED")
        assert "benchmark.error" not in killed.run.data.tags
        assert list((shell.folder / "cache-of-killed" / "checkpoints").iterdir()) == []

    def test_it_ends_with_figures_and_predictions_of_an_undisturbed_run_bit_for_bit(self, killed, undisturbed):
        histories, theirs = (
            {key: each.store.history(each.run, key) for key in each.run.data.metrics} for each in (killed, undisturbed)
        )

        for key, history in histories.items():
            steps = [step for step, _ in history]
            assert len(steps) == len(set(steps)), key
            if not key.startswith("system/") and "seconds" not in key and "memory" not in key:
                assert history == theirs[key], key
        assert {key for key in histories.keys() ^ theirs.keys() if not key.startswith("system/")} == set()
        pd.testing.assert_frame_equal(
            killed.store.predictions(killed.run), undisturbed.store.predictions(undisturbed.run), check_exact=True
        )

    def test_the_time_before_the_kill_is_part_of_its_cost(self, killed):
        metrics = killed.run.data.metrics
        seconds = sum(value for _, value in killed.store.history(killed.run, "train/seconds"))

        assert metrics["total_seconds"] > metrics["train_seconds"] == pytest.approx(seconds)


def test_of_two_at_once_the_second_waits_and_does_nothing_twice(undisturbed):
    (plan,) = undisturbed.store.recorded("plan")

    assert (undisturbed.first.status, undisturbed.second.status) == (0, 0), undisturbed.said
    assert "0 finished, 1 skipped, 0 failed" in undisturbed.said
    assert "was killed" not in undisturbed.said
    assert undisturbed.second.out == undisturbed.first.out
    assert (undisturbed.run.info.status, plan.info.status) == ("FINISHED", "SCHEDULED")


def test_fresh_does_a_finished_run_anew_and_leaves_the_old_one_in_mlflow(shell, undisturbed):
    done = shell.call("run", "rnn", "--fresh")
    (new,), (old,) = undisturbed.store.recorded(), undisturbed.store.recorded("set aside")

    assert done.status == 0, done.err
    assert old.info.run_id == undisturbed.run.info.run_id
    assert new.info.status == "FINISHED"
    assert "epoch 1/2" in done.err
    assert rows(done.out)["rnn"][0] == "1 of 1"
    assert undisturbed.store.history(new, "val/loss") == undisturbed.store.history(old, "val/loss")


def test_a_reproduced_run_is_equal_bit_for_bit_and_no_row_of_the_table(shell, undisturbed):
    run_id = undisturbed.run.info.run_id
    done = shell.call("reproduce", run_id[:12])
    (again,) = undisturbed.store.recorded("reproduction")

    assert done.status == 0, done.err
    assert_names(done.out.splitlines()[0], "equal: ", "2 epochs", "60 test predictions", "bit for bit")
    assert again.info.status == "FINISHED"
    assert again.data.tags["mlflow.parentRunId"] == run_id
    assert undisturbed.store.client.get_run(run_id).data.tags["benchmark.reproduced"].startswith("equal: ")

    compared = shell.call("compare", run_id, again.info.run_id)
    assert compared.status == 0, compared.err
    assert "60 test reviews" in compared.out
