"""Stores and disks that fail: a real tracking server, a real lock on a database, a real full or read-only disk."""

import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from tests.helpers.facts import assert_names
from tests.helpers.shell import PATIENCE, Done, Shell

FULL = os.environ.get("FAULTS_FORM") == "full"  # as `make faults` calls it
LOCKED = "import sqlite3, sys, time; held = sqlite3.connect(sys.argv[1]); held.execute('BEGIN EXCLUSIVE'); "
LOCKED += "print('held', flush=True); time.sleep(float(sys.argv[2]))"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Until the condition holds; fails when that takes too long or the process ends before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        assert process is None or process.poll() is None, f"it ended before {what}: {process.communicate()}"
        time.sleep(0.02)


@contextmanager
def locked(database: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The database is held by another process, which ends after so many seconds."""
    arguments = [sys.executable, "-c", LOCKED, str(database), str(seconds)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        yield holder


@dataclass
class Server:
    """A tracking server with a database and artifacts of its own, always at the same address."""

    folder: Path
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> MlflowClient:
        """Of its database itself: it can be looked at while the server is gone."""
        return MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")

    def start(self) -> None:
        if self.process is not None:
            return
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
                *("--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"),
                *("--artifacts-destination", (self.folder / "artifacts").as_uri()),
            ],
            cwd=self.folder,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers, "the server's answer")

    def stop(self) -> None:
        """It and all its workers are gone."""
        if self.process is not None:
            processes = everyone(self.process)
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait(PATIENCE)
            psutil.wait_procs(processes, PATIENCE)
            self.process = None

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
        return False


@contextmanager
def losing_answers(server: Server) -> Iterator[str]:
    """Address of a way to the server on which the first answer to each kind of request that writes is lost."""
    lost: set[str] = set()

    class Way(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            onward = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            onward.request(self.command, self.path, body, dict(self.headers))
            answer = onward.getresponse()
            content = answer.read()
            onward.close()
            kind = f"{self.command} {self.path}"
            if self.command != "GET" and "search" not in self.path and kind not in lost:
                lost.add(kind)
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.getheader("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    way = ThreadingHTTPServer(("127.0.0.1", 0), Way)
    threading.Thread(target=way.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{way.server_port}"
    way.shutdown()
    way.server_close()


@dataclass(frozen=True)
class Disk:
    """A small disk. Where it may not be mounted, file modes and a limit on the size of files stand in for it."""

    folder: Path
    mounted: bool

    def fill(self, processes: Iterable[psutil.Process]) -> None:
        """Nothing more can be written: on this disk by anybody, or anywhere by these processes."""
        if not self.mounted:
            for process in processes:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
            return
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as file:
            for size in (2**20, 2**12):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def remount(self, *, writable: bool) -> None:
        option, mode = ("rw", 0o755) if writable else ("ro", 0o555)
        if self.mounted:
            subprocess.run(["mount", "--options", f"remount,{option}", str(self.folder)], check=True)
            return
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(mode if path.is_dir() else mode & 0o666)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk of 64 MiB at that folder."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    mounted = bool(shutil.which("mount")) and not subprocess.run(command, capture_output=True, check=False).returncode
    if not mounted and os.geteuid() == 0:  # modes mean nothing to it
        pytest.fail("root without the right to mount a disk: call the tests as another user")
    disk = Disk(folder, mounted)
    try:
        yield disk
    finally:
        disk.remount(writable=True)
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def in_training(shell: Shell, cache: Path, *options: str) -> subprocess.Popen[str]:
    """`run rnn`, which has written a checkpoint in the middle of an epoch."""
    before = set(cache.glob("checkpoints/*/step-*"))
    process = shell.start("run", "rnn", "--checkpoint-steps", "1", "--cache-dir", str(cache), *options)
    wait_for(lambda: set(cache.glob("checkpoints/*/step-*")) - before, "a checkpoint", process)
    return process


def everyone(process: subprocess.Popen) -> list[psutil.Process]:
    return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]


def assert_whole(client: MlflowClient) -> None:
    """There is one RNN, it is finished, each figure stands in it once, and it has its model."""
    experiment = client.get_experiment_by_name("imdb-quick").experiment_id
    (run,) = client.search_runs([experiment], "attributes.run_name = 'rnn seed 1' AND tags.`benchmark.kind` = 'run'")
    assert run.info.status == "FINISHED"
    for key in run.data.metrics:
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, key)]
        assert len(steps) == len(set(steps)), key
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "val/loss")] == [1, 2]
    (model,) = client.search_logged_models([experiment], f"source_run_id = '{run.info.run_id}'")
    assert model.status == LoggedModelStatus.READY
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert {metric.key for metric in model.metrics} >= {"test/accuracy", "tracking_seconds"}


def assert_named(done: Done, status: int, *facts: str) -> None:
    """The last line on standard error names these facts, and there is no traceback."""
    assert done.status == status, done.err
    assert "Traceback" not in done.err
    assert_names(done.err.splitlines()[-1], *facts)
