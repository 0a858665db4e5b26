"""Stores and disks that fail in the middle of `run`: what the user is told, and that the next call finishes the job.

All of it is real: a tracking server that is stopped and started again, a database that another process holds, a full
disk, a read-only one. `make faults` makes server and lock stay away for a minute. Starting a process takes seconds, so
one run suffers one thing after the other, and several tests look at what came of it.
"""

import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from benchmark.records import Status
from benchmark.tracking.client import StoreError, quiet_client
from benchmark.tracking.store import TrackingStore
from tests.helpers.outage import (
    FULL,
    Disk,
    Server,
    assert_told,
    assert_whole,
    everyone,
    in_training,
    locked,
    losing_answers,
    said_of_a_request,
    small_disk,
)
from tests.helpers.recorded import epoch
from tests.helpers.shell import Done, Shell, finish, slow_rnn
from tests.helpers.trained import record

AWAY = 60.0 if FULL else 4.0  # seconds
GOES_ON = "what is finished stays, and the same command goes on"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outage")


@pytest.fixture(scope="module")
def one_shell(folder: Path) -> Iterator[Shell]:
    made = Shell(folder)
    yield made
    made.end_all()


@pytest.fixture
def shell(one_shell: Shell, config_content: dict[str, Any]) -> Shell:
    """A working directory with an RNN whose epochs take a second or two."""
    slow_rnn(config_content)
    config_content["profiles"]["quick"]["experiments"] = ["rnn"]
    file = one_shell.folder / "experiments.yaml"
    file.write_text(yaml.safe_dump(config_content, sort_keys=False), encoding="utf-8")
    return one_shell


@pytest.fixture(scope="module")
def disks(folder: Path) -> Iterator[tuple[Disk, Disk]]:
    with small_disk(folder / "disk-1") as first, small_disk(folder / "disk-2") as second:
        yield first, second


@pytest.fixture(scope="module")
def server(folder: Path, empty_database: Path) -> Iterator[Server]:
    """It is started by whoever needs it."""
    home = folder / "server"
    home.mkdir()
    shutil.copy(empty_database, home / "mlflow.db")
    made = Server(home)
    yield made
    made.stop()


class TestLostAnswers:
    def test_a_request_that_is_made_again_writes_nothing_twice(self, server, tmp_path, trained_as):
        server.start()
        with losing_answers(server) as uri:
            store = TrackingStore(uri, tmp_path / "cache")
            trained = trained_as("lstm")
            run_id = record(store, trained, status=Status.FAILED)
            tracker = store.reopen(run_id)
            tracker.resume()
            tracker.log_metrics(epoch(1), step=1)
            tracker.finish(Status.FINISHED)
        client = server.client
        run = client.get_run(run_id)
        (experiment,) = client.search_experiments(filter_string="name = 'imdb-quick'")
        same = client.search_runs([run.info.experiment_id], f"attributes.run_name = '{run.info.run_name}'")
        plans = client.search_runs(
            [run.info.experiment_id], f"tags.`benchmark.plan` = '{trained.plan.record.fingerprint}'"
        )
        models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")

        assert run.info.experiment_id == experiment.experiment_id
        assert [each.info.run_id for each in same] == [run_id]
        assert [each.info.run_id for each in plans] == [run.data.tags["mlflow.parentRunId"]]
        assert run.info.status == "FINISHED"
        assert [model.status for model in models] == [LoggedModelStatus.READY]
        assert [output.model_id for output in run.outputs.model_outputs] == [models[0].model_id]
        for key in run.data.metrics:
            assert len(client.get_metric_history(run_id, key)) == 1, key


@dataclass(frozen=True)
class OnServer:
    """`run rnn` on a server that goes away and comes back; then with another seed, interrupted while it is away."""

    said: str
    waited: Done
    interrupted: Done


@pytest.fixture
def on_server(shell: Shell, server: Server) -> OnServer:
    def go_there() -> OnServer:
        server.start()
        cache, options = shell.folder / "cache-of-server", ("--tracking-uri", server.uri)
        process = in_training(shell, cache, *options)
        server.stop()
        said = said_of_a_request(process)
        if FULL:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(AWAY)
        server.start()
        waited = finish(process)
        process = in_training(shell, cache, *options, "--seed", "2")
        server.stop()
        said_of_a_request(process)
        process.send_signal(signal.SIGINT)
        interrupted = finish(process)
        return OnServer(said, waited, interrupted)

    return shell.stage("server", go_there)


class TestServer:
    def test_a_server_that_comes_back_is_waited_for(self, on_server, server):
        assert on_server.waited.status == 0, on_server.waited.err
        assert "Traceback" not in on_server.said + on_server.waited.err
        assert_whole(server.client)

    def test_who_interrupts_does_not_wait_for_a_server_that_is_gone(self, on_server):
        assert_told(on_server.interrupted, 130, "interrupted; the same command goes on with what is missing")

    def test_that_it_is_asked_again_is_told_in_a_line(self, on_server):
        lines = [line for line in on_server.said.splitlines() if "asking again" in line]

        assert lines
        assert all(line.startswith("no answer (") and line.endswith("); asking again") for line in lines)


@dataclass(frozen=True)
class OnBadDisks:
    """`run rnn` with its cache on one disk and its store on another, called again and again while they fail."""

    cache: Path
    uri: str
    cache_not_made: Done
    cache_read_only: Done
    store_read_only: Done
    cache_full: Done
    store_full: Done
    store_locked: Done


@pytest.fixture
def on_bad_disks(shell: Shell, disks: tuple[Disk, Disk], empty_database: Path) -> OnBadDisks:
    def go_there() -> OnBadDisks:
        cache_disk, store_disk = disks
        cache, database = (
            cache_disk.folder / "cache",
            Path(shutil.copy(empty_database, store_disk.folder / "mlflow.db")),
        )
        options = ("--tracking-uri", f"sqlite:///{database}")

        def read_only(disk: Disk) -> Done:
            disk.make_read_only()
            done = shell.call("run", "rnn", "--cache-dir", str(cache), *options)
            disk.make_writable()
            return done

        def full(disk: Disk) -> Done:
            process = in_training(shell, cache, *options)
            disk.fill(everyone(process))
            done = finish(process)
            disk.free()
            return done

        not_made = read_only(cache_disk)
        cache.mkdir()
        told = read_only(cache_disk), read_only(store_disk), full(cache_disk), full(store_disk)
        process = in_training(shell, cache, *options)
        with locked(database, AWAY) as holder:
            holder.wait()
            assert process.poll() is None, "it did not need the database"
        return OnBadDisks(cache, options[1], not_made, *told, finish(process))

    return shell.stage("disks", go_there)


class TestDisks:
    def test_a_cache_that_cannot_be_made_is_told(self, on_bad_disks):
        assert_told(on_bad_disks.cache_not_made, 2, f"error: --cache-dir {on_bad_disks.cache}: cannot be made: ")

    def test_a_cache_that_cannot_be_written_is_told(self, on_bad_disks):
        assert_told(on_bad_disks.cache_read_only, 2, f"error: --cache-dir {on_bad_disks.cache}: cannot be written: ")

    def test_a_store_that_cannot_be_written_is_told(self, on_bad_disks):
        start = f"error: tracking store {on_bad_disks.uri}: "
        assert_told(on_bad_disks.store_read_only, 2, start)
        assert_told(on_bad_disks.store_read_only, 2, f"; make it writable; {GOES_ON}")

    def test_a_cache_without_room_fails_the_run(self, on_bad_disks):
        assert "  failed after" in on_bad_disks.cache_full.err
        assert on_bad_disks.cache_full.status in {1, 2}, on_bad_disks.cache_full.err
        assert "Traceback" not in on_bad_disks.cache_full.err

    def test_a_store_without_room_is_told(self, on_bad_disks):
        assert_told(on_bad_disks.store_full, 2, f"error: tracking store {on_bad_disks.uri}: ")
        assert_told(on_bad_disks.store_full, 2, GOES_ON)

    def test_a_database_that_another_process_holds_is_waited_for(self, on_bad_disks):
        assert on_bad_disks.store_locked.status == 0, on_bad_disks.store_locked.err
        assert "Traceback" not in on_bad_disks.store_locked.err

    def test_nothing_is_lost_by_all_that(self, on_bad_disks):
        for done in (on_bad_disks.store_full, on_bad_disks.store_locked):
            assert "  goes on after step" in done.err, done.err
        assert_whole(MlflowClient(on_bad_disks.uri))


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

        assert "another program holds it; waiting" in caplog.text
        assert client.search_experiments()[0].name == "another"

    def test_a_database_that_is_damaged_in_mid_plan_is_told_without_statements(self, store, tmp_path):
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

        with pytest.raises(StoreError, match="failed") as caught:
            tracker.set_tags({"a": "tag"})

        assert caught.value.refused

    def test_no_password_is_told(self):
        uri = "http://someone:s3cret@host:1"
        told = str(StoreError(uri, "log_batch", OSError(f"{uri} is gone")))

        assert told.startswith("tracking store http://host:1: log_batch failed (http://host:1 is gone); ")
        assert "s3cret" not in told
