"""Runs that were killed, waited for or started over: real processes, an sqlite store and a real tracking server."""

import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.helpers.outage import Server
from tests.helpers.shell import Done, Shell, finish, first_epoch, rows, said_until, slow_rnn

PROFILE = "quick"


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

    uri: str

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def recorded(self, kind: str = "run") -> list[Run]:
        experiment = self.client.get_experiment_by_name(f"imdb-{PROFILE}")
        return list(self.client.search_runs([experiment.experiment_id], f"tags.`benchmark.kind` = '{kind}'"))

    def history(self, run: Run, key: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in self.client.get_metric_history(run.info.run_id, key)]

    def predictions(self, run: Run, folder: Path) -> pd.DataFrame:
        return pd.read_parquet(self.client.download_artifacts(run.info.run_id, "predictions.parquet", str(folder)))


@dataclass(frozen=True)
class Killed:
    """After `run rnn` on a server, killed with its child after an epoch; what `list` said; and `run rnn` once more."""

    store: Store
    orphan: Run
    plan_status: str
    listed: Done
    again: Done
    run: Run
    plan: Run


@pytest.fixture
def killed(shell: Shell, server: Server) -> Killed:
    def go_there() -> Killed:
        options = ("--tracking-uri", server.uri, "--cache-dir", "cache-of-killed")
        store = Store(server.uri)
        process = shell.start("run", "rnn", *options)
        first_epoch(process)
        (child,) = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGSTOP)  # so that the parent cannot write down how its child ended
        child.kill()
        process.kill()
        process.communicate()
        (orphan,), (plan,) = store.recorded(), store.recorded("plan")
        listed = shell.call("list", *options)
        again = shell.call("run", "rnn", *options)
        (run,), (plan_then,) = store.recorded(), store.recorded("plan")
        return Killed(store, orphan, plan.info.status, listed, again, run, plan_then)

    return shell.stage("killed", go_there)


@dataclass(frozen=True)
class Undisturbed:
    """After `run rnn` on an sqlite store, while a second `run rnn` was waiting for it."""

    store: Store
    first: Done
    second: Done
    run: Run


@pytest.fixture
def undisturbed(shell: Shell) -> Undisturbed:
    def go_there() -> Undisturbed:
        first = shell.start("run", "rnn")
        first_epoch(first)
        (child,) = psutil.Process(first.pid).children(recursive=True)
        child.suspend()  # until the second is there
        second = shell.start("run", "rnn")
        said = said_until(second, "  another process is at work on this run; waiting for its end")
        child.resume()
        ended = finish(first)
        (run,) = Store(shell.uri).recorded()
        waited = finish(second)
        return Undisturbed(Store(shell.uri), ended, Done(waited.status, waited.out, said + waited.err), run)

    return shell.stage("undisturbed", go_there)


class TestKilled:
    def test_a_kill_leaves_run_and_plan_running(self, killed):
        assert (killed.orphan.info.status, killed.plan_status) == ("RUNNING", "RUNNING")

    def test_list_tells_an_orphan_from_a_run_at_work(self, killed):
        (line,) = [line for line in killed.listed.out.splitlines() if line.startswith("rnn")]

        assert "interrupted" in line
        assert re.search(r"`run rnn` goes on after step [1-9]", line)

    def test_the_same_command_goes_on_in_the_same_mlflow_run(self, killed):
        assert killed.again.status == 0, killed.again.err
        assert "was killed; put right" in killed.again.err
        assert re.search(r"^  goes on after step (\d+) of at most (?!\1)\d+$", killed.again.err, re.MULTILINE)
        assert "epoch 1/2" not in killed.again.err
        assert killed.run.info.run_id == killed.orphan.info.run_id
        assert (killed.run.info.status, killed.plan.info.status) == ("FINISHED", "SCHEDULED")
        assert "benchmark.error" not in killed.run.data.tags

    def test_it_ends_with_the_figures_of_an_undisturbed_run_bit_for_bit(self, killed, undisturbed):
        ours, theirs = killed.run.data.metrics, undisturbed.run.data.metrics
        figures = {
            key for key in theirs if not key.startswith("system/") and "seconds" not in key and "memory" not in key
        }

        assert {key for key in ours if not key.startswith("system/")} == {
            key for key in theirs if not key.startswith("system/")
        }
        for key in figures:
            assert killed.store.history(killed.run, key) == undisturbed.store.history(undisturbed.run, key), key

    def test_it_ends_with_the_predictions_of_an_undisturbed_run_bit_for_bit(self, killed, undisturbed, tmp_path):
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        ours.mkdir()
        theirs.mkdir()

        pd.testing.assert_frame_equal(
            killed.store.predictions(killed.run, ours),
            undisturbed.store.predictions(undisturbed.run, theirs),
            check_exact=True,
        )

    def test_no_metric_has_a_step_twice(self, killed):
        for key in killed.run.data.metrics:
            steps = [step for step, _ in killed.store.history(killed.run, key)]
            assert len(steps) == len(set(steps)), key

    def test_the_time_before_the_kill_is_part_of_its_cost(self, killed):
        metrics = killed.run.data.metrics

        assert (
            metrics["total_seconds"]
            > metrics["train_seconds"]
            == pytest.approx(sum(value for _, value in killed.store.history(killed.run, "train/seconds")))
        )

    def test_no_checkpoint_is_left(self, shell, killed):
        assert list((shell.folder / "cache-of-killed" / "checkpoints").iterdir()) == []


class TestTwoAtOnce:
    def test_the_second_waits_and_does_nothing_twice(self, undisturbed):
        assert (undisturbed.first.status, undisturbed.second.status) == (0, 0), undisturbed.second.err
        assert "0 finished, 1 skipped, 0 failed" in undisturbed.second.err
        assert undisturbed.second.out == undisturbed.first.out

    def test_a_living_run_is_not_touched(self, undisturbed):
        assert undisturbed.run.info.status == "FINISHED"
        assert "put right" not in undisturbed.second.err

    def test_there_is_one_plan(self, undisturbed):
        (plan,) = undisturbed.store.recorded("plan")

        assert plan.info.status == "SCHEDULED"


class TestFresh:
    def test_it_does_a_finished_run_anew_and_keeps_the_old_one_in_mlflow(self, shell, undisturbed, tmp_path):
        done = shell.call("run", "rnn", "--fresh")
        (new,), (old,) = undisturbed.store.recorded(), undisturbed.store.recorded("set aside")

        assert done.status == 0, done.err
        assert old.info.run_id == undisturbed.run.info.run_id
        assert new.info.status == "FINISHED"
        assert "epoch 1/2" in done.err
        assert rows(done.out)["rnn"][0] == "1 of 1"
        assert undisturbed.store.history(new, "val/loss") == undisturbed.store.history(old, "val/loss")


class TestReproduce:
    def test_a_run_done_again_is_equal_bit_for_bit_and_no_row_of_the_table(self, shell, undisturbed):
        run_id = undisturbed.run.info.run_id
        done = shell.call("reproduce", run_id[:12])
        (again,) = undisturbed.store.recorded("reproduction")

        assert done.status == 0, done.err
        assert done.out.startswith("equal: 2 epochs, 60 test predictions, bit for bit\n")
        assert again.info.status == "FINISHED"
        assert again.data.tags["mlflow.parentRunId"] == run_id
        assert undisturbed.store.client.get_run(run_id).data.tags["benchmark.reproduced"].startswith("equal: ")

        compared = shell.call("compare", run_id, again.info.run_id)
        assert compared.status == 0, compared.err
        assert "60 test reviews in both" in compared.out
