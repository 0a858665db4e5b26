"""MLflow's own server over a store, in a process group of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import IO
from urllib.parse import urlsplit

from benchmark.tracking.address import address_for_libraries, without_secrets
from data_pipeline.errors import InputError

DEFAULT_PORT = 5000
START_SECONDS, END_SECONDS = 180.0, 10.0  # that the server may take to start, or to end
# The server's job runner is for evaluations by language models: seven processes, of no use here.
# The server starts Python again; no file of the working folder may be imported in place of a library.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONSAFEPATH": "1",
}


class AddressError(InputError):
    """A host or port on which no server can be started."""


class ServerError(Exception):
    """The server did not start, or has ended; the message has a line for each of the last lines of its log."""


@dataclass(frozen=True, slots=True)
class UiServer:
    """`mlflow ui`, the leader of its process group, and what it prints."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    uri: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """Where a browser on this machine finds it."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def wait_until_ready(self) -> None:
        """Wait for the server's first answer; raise ServerError if it ends, or does not answer in time."""
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise self._error()
            time.sleep(0.2)

    def wait_for_end(self) -> None:
        """Wait until the server ends, which it should not, and raise ServerError."""
        self.process.wait()
        raise self._error()

    def _answers(self) -> bool:
        connection = HTTPConnection(self.host, self.port, timeout=10)
        with suppress(OSError, HTTPException):
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        return False

    def _error(self) -> ServerError:
        code = self.process.poll()
        ended = f"ended with status {code}" if code is not None else f"did not answer within {START_SECONDS:.0f} s"
        self.log.seek(0)
        lines = [line for line in self.log.read().decode(errors="replace").splitlines() if line.strip()]
        return ServerError(
            "\n".join([f"MLflow's server {ended}", *(without_secrets(each, self.uri) for each in lines[-5:])])
        )


@contextmanager
def ui_server(uri: str, host: str, port: int) -> Iterator[UiServer]:
    """Run MLflow's server on a free port during the block, and end all its processes afterwards."""
    command = ["-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603  fixed words, a host and a port
            # A page left open in a browser must not delay the end, nor fill the log with its requests.
            [sys.executable, *command, "--uvicorn-opts", "--timeout-graceful-shutdown 2 --no-access-log"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A command line is visible to every user of the machine, and would show a password.
            env=os.environ | SETTINGS | {"MLFLOW_BACKEND_STORE_URI": address_for_libraries(uri)},
            process_group=0,  # Ctrl-C reaches us alone, and the group is ended as a whole
        )
        try:
            yield UiServer(process, log, uri, {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)  # noqa: S104
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
    finally:  # a second Ctrl-C comes here at once
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of processes that have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def choose_port(host: str, port: int | None) -> int:
    """Return the port, which must be free; for None the default one, or any free one if that is taken.

    Raises:
        AddressError: the port is taken, or this machine cannot listen on this host.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in (DEFAULT_PORT, 0) if port is None else (port,):
        try:
            with socket.create_server((host, candidate), family=family) as probe:
                return int(probe.getsockname()[1])
        except OSError as error:
            reason = error.strerror
    where = f"--host {host}" if port is None else f"--host {host} --port {port}"
    raise AddressError(f"{where}: cannot be listened on ({reason}). Leave the option out to take a free one.")


def server_address(uri: str) -> str | None:
    """Return where a browser finds a store that is an MLflow server, without user and password; None for others."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"}:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
