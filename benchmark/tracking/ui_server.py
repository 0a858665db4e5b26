"""MLflow's own server over a store, in a process group of its own, and the address of our runs on it."""

from __future__ import annotations

import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

from benchmark.tracking.client import without_secrets
from benchmark.tracking.view import runs_page
from data_pipeline.errors import InputError

DEFAULT_PORT = 5000
START_SECONDS, END_SECONDS = 180.0, 10.0  # patience with a server that starts, or ends
_LAST_LINES = 5  # of its log, when it failed
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where a browser here reaches such a server
# The server's job runner is for evaluations by language models: seven processes, of no use here.
_SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class AddressError(InputError):
    """A host or port on which no server can be started."""


class ServerError(Exception):
    """The server did not start, or has ended; one line of the message for each of the last lines of its log."""


@dataclass(frozen=True, slots=True)
class UiServer:
    """A server that was started.

    Attributes:
        process: `mlflow ui`, the leader of its process group.
        log: what it prints.
        uri: the store, whose secrets are kept out of messages.
        address: where a browser on this machine finds it.
    """

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    uri: str
    address: str

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            ServerError: it has ended, or does not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None:
                raise ServerError(f"MLflow's server ended with status {self.process.returncode}{self._last_words()}")
            if time.monotonic() > deadline:
                raise ServerError(f"MLflow's server did not answer within {START_SECONDS:.0f} s{self._last_words()}")
            time.sleep(0.2)

    def wait_for_end(self) -> None:
        """Wait until it ends, which it does not of itself.

        Raises:
            ServerError: it has.
        """
        status = self.process.wait()
        raise ServerError(f"MLflow's server ended with status {status}{self._last_words()}")

    def page(self, experiment: str) -> tuple[str, bool]:
        """The page to open, and whether it is that of the experiment's runs: without any it is MLflow's list.

        Args:
            experiment: MLflow's name of it.

        Raises:
            ServerError: it cannot say.
        """
        query = urlencode({"experiment_name": experiment})
        try:
            with _open(f"{self.address}/api/2.0/mlflow/experiments/get-by-name?{query}") as answer:
                return runs_page(self.address, json.loads(answer.read())["experiment"]["experiment_id"]), True
        except HTTPError as error:
            if error.code != http.HTTPStatus.NOT_FOUND:
                raise ServerError(f"MLflow's server: {error}{self._last_words()}") from None
            return experiments_page(self.address), False

    def _answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException), _open(f"{self.address}/health") as answer:
            return bool(answer.status == http.HTTPStatus.OK)
        return False

    def _last_words(self) -> str:
        self.log.seek(0)
        lines = [line for line in self.log.read().decode(errors="replace").splitlines() if line.strip()]
        return "".join(f"\n{without_secrets(line, self.uri)}" for line in lines[-_LAST_LINES:])


@contextmanager
def ui_server(uri: str, host: str, port: int) -> Iterator[UiServer]:
    """MLflow's server while what is inside goes on; afterwards none of its processes is left.

    Args:
        uri: the store. It reaches the server by its environment: a command line, which may be read by every user of
            the machine, would show a password.
        host: the network interface to listen on.
        port: a free one.
    """
    command = ["-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603  fixed words, a host and a port
            # A page left open in a browser shall not hold up the end, nor fill the log with its requests.
            [sys.executable, *command, "--uvicorn-opts", "--timeout-graceful-shutdown 2 --no-access-log"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | _SETTINGS | {"MLFLOW_BACKEND_STORE_URI": uri},
            process_group=0,  # Ctrl-C reaches us alone, and the group is ended as a whole
        )
        try:
            yield UiServer(process, log, uri, f"http://{_authority(_EVERYWHERE.get(host, host), port)}")
        finally:
            _end(process)


def choose_port(host: str, port: int | None) -> int:
    """The port asked for; with None the default one, or a free one where that is taken.

    Raises:
        AddressError: the port is taken, or this machine cannot listen on this host.
    """
    if port is not None:
        if not _is_free(host, port):
            raise AddressError(f"--port {port}: another process listens there; leave it out to take a free one")
        return port
    if _is_free(host, DEFAULT_PORT):
        return DEFAULT_PORT
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def experiments_page(address: str) -> str:
    """MLflow's list of experiments, on its side for training: it opens the one for language models by itself."""
    return f"{address}/#/experiments?workflowType=machine_learning"


def address_of_server(uri: str) -> str | None:
    """Where the browser finds a store that is an MLflow server already, without user and password; None for others."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"}:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all processes of the group, by force what does not end when asked."""
    try:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
    finally:  # a second Ctrl-C comes here at once
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of processes that have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.socket(_family(host)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does; past ends do not count
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise AddressError(f"--host {host} --port {port}: cannot be listened on: {error.strerror}") from None
    return True


def _family(host: str) -> socket.AddressFamily:
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise AddressError(f"--host {host}: there is no such host: {error.strerror}") from None


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _open(url: str) -> Any:
    """The answer of our own server: whatever proxy is set is for the world outside."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10)
