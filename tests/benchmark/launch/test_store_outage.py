"""Stores and disks that fail in the middle of `run`: what the user sees, and that the next call finishes the job.

All of it is real: a tracking server that is stopped and started again, a database that another process holds, a full
disk, a read-only one. `make faults` makes server and lock stay away for a minute. Starting a process takes seconds, so
one run suffers one thing after the other.
"""

import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from benchmark.tracking.client import StoreError, quiet_client
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names
from tests.helpers.outage import (
    FULL,
    Disk,
    Server,
    assert_named,
    assert_whole,
    everyone,
    in_training,
    locked,
    losing_answers,
    small_disk,
)
from tests.helpers.recorded import epoch
from tests.helpers.shell import Done, Shell, finish, said_until, slow_rnn
from tests.helpers.trained import record

pytestmark = pytest.mark.outage

AWAY = 60.0 if FULL else 4.0  # seconds
ASKED_AGAIN = "no answer ("


@pytest.fixture
def shell(working_shell: Shell, config_content: dict[str, Any]) -> Shell:
    """A working directory with an RNN whose epochs take a second or two."""
    slow_rnn(config_content)
    config_content["profiles"]["quick"]["experiments"] = ["rnn"]
    working_shell.configure(config_content)
    return working_shell


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[tuple[Disk, Disk]]:
    with small_disk(tmp_path / "disk-1") as first, small_disk(tmp_path / "disk-2") as second:
        yield first, second


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Server]:
    """It is started by whoever needs it."""
    made = Server(tmp_path_factory.mktemp("server"))
    shutil.copy(empty_database, made.folder / "mlflow.db")
    yield made
    made.stop()


def test_a_request_that_is_made_again_writes_nothing_twice(server, tmp_path, trained_as):
    server.start()
    with losing_answers(server) as uri:
        store = TrackingStore(uri, tmp_path / "cache")
        trained = trained_as("lstm")
        run_id = record(store, trained, status=Status.FAILED)
        tracker = store.reopen(run_id)
        tracker.resume({})
        tracker.log_metrics(epoch(1), step=1)
        tracker.finish(Status.FINISHED)
    client = server.client
    run = client.get_run(run_id)
    (experiment,) = client.search_experiments(filter_string="name = 'imdb-quick'")
    same, plans = (
        [each.info.run_id for each in client.search_runs([experiment.experiment_id], which)]
        for which in (
            f"attributes.run_name = '{run.info.run_name}'",
            f"tags.`benchmark.plan` = '{trained.plan.record.fingerprint}'",
        )
    )
    (model,) = client.search_logged_models([experiment.experiment_id], f"source_run_id = '{run_id}'")

    assert run.info.experiment_id == experiment.experiment_id
    assert same == [run_id]
    assert plans == [run.data.tags["mlflow.parentRunId"]]
    assert run.info.status == "FINISHED"
    assert model.status == LoggedModelStatus.READY
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    for key in run.data.metrics:
        assert len(client.get_metric_history(run_id, key)) == 1, key


def test_a_server_that_comes_back_is_waited_for_unless_the_user_interrupts(shell, server):
    server.start()
    cache, options = shell.folder / "cache-of-server", ("--tracking-uri", server.uri)
    process = in_training(shell, cache, *options)
    server.stop()
    said = said_until(process, ASKED_AGAIN)
    if FULL:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(AWAY)
    server.start()
    done = finish(process)

    assert done.status == 0, done.err
    assert "Traceback" not in said + done.err
    assert_whole(server.client)

    process = in_training(shell, cache, *options, "--seed", "2")
    server.stop()
    said_until(process, ASKED_AGAIN)
    process.send_signal(signal.SIGINT)

    assert_named(finish(process), 130, "Interrupted")


def test_a_run_on_disks_that_fail_names_them_and_the_same_command_finishes_it(shell, disks, empty_database):
    cache, database = disks[0].folder / "cache", disks[1].folder / "mlflow.db"
    shutil.copy(empty_database, database)
    options = ("--tracking-uri", f"sqlite:///{database}")
    of_cache, of_store = f"error: --cache-dir {cache}: ", f"error: tracking store {options[1]}: "

    def read_only(disk: Disk) -> Done:
        disk.remount(writable=False)
        done = shell.call("run", "rnn", "--cache-dir", str(cache), *options)
        disk.remount(writable=True)
        return done

    def full(disk: Disk) -> Done:
        process = in_training(shell, cache, *options)
        disk.fill(everyone(process))
        done = finish(process)
        disk.free()
        return done

    assert_named(read_only(disks[0]), 2, of_cache)
    cache.mkdir()
    assert_named(read_only(disks[0]), 2, of_cache)
    assert_named(read_only(disks[1]), 2, of_store, "writable")

    cache_full = full(disks[0])
    assert "  failed " in cache_full.err
    assert cache_full.status in {1, 2}, cache_full.err
    assert "Traceback" not in cache_full.err
    store_full = full(disks[1])
    assert_named(store_full, 2, of_store)

    process = in_training(shell, cache, *options)
    with locked(database, AWAY) as holder:
        holder.wait()
        assert process.poll() is None, "it did not need the database"
    store_locked = finish(process)
    assert store_locked.status == 0, store_locked.err
    assert "Traceback" not in store_locked.err
    for done in (store_full, store_locked):
        assert re.search(r"^  [^\d\n]*step \d+", done.err, re.MULTILINE), done.err  # resumed
    assert_whole(MlflowClient(options[1]))


class TestStoreError:
    @pytest.fixture
    def store(self, store_uri, tmp_path) -> TrackingStore:
        return TrackingStore(store_uri, tmp_path / "cache")

    def test_a_lock_that_outlasts_mlflows_patience_is_waited_for(self, store_uri, tmp_path, caplog):
        """MLflow fails after 20 s; here whoever asks fails at once, and is asked again."""
        client, database = quiet_client(store_uri, tmp_path / "lock"), tmp_path / "mlflow.db"

        def write() -> None:
            with sqlite3.connect(database, timeout=0) as connection:
                connection.execute("UPDATE experiments SET name = 'another'")

        with locked(database, 1.5):
            client.ask("writing", write)

        assert "another program" in caplog.text
        assert client.search_experiments()[0].name == "another"

    def test_a_database_that_is_damaged_in_mid_plan_is_reported_without_statements(self, store, tmp_path):
        tracker = store.start_run("quick", "a run", {})
        (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 1000)

        with pytest.raises(StoreError) as caught:
            tracker.finish(Status.FINISHED)

        assert not caught.value.refused
        assert str(caught.value).startswith("tracking store sqlite:///")
        assert "SELECT" not in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_what_the_store_refuses_is_known_from_what_it_cannot_do(self, store):
        tracker = store.start_run("quick", "a run", {})
        MlflowClient(store.uri).delete_run(tracker.run_id)

        with pytest.raises(StoreError) as caught:
            tracker.set_tags({"a": "tag"})

        assert caught.value.refused

    def test_no_password_is_in_the_message(self):
        uri = "http://someone:s3cret@host:1"
        message = str(StoreError(uri, "log_batch", OSError(f"{uri} is gone")))

        assert_names(message, "tracking store http://host:1: ", "log_batch", "http://host:1 is gone")
        assert "s3cret" not in message
