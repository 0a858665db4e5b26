"""The way to MLflow's store: opened quietly, waited for while it is gone, failures in one line without secrets."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock

from benchmark.tracking.address import (
    address_for_libraries,
    sqlite_file,
    store_exists,
    without_secrets,
)
from benchmark.tracking.files import follow_database
from data_pipeline.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"  # MLflow's own default, so a plain `mlflow ui` here shows our runs

# MLflow waits 20 s for a database that another program holds, and then fails; we ask it again for so long.
LOCK_SECONDS = 100.0
RETRIES, TIMEOUT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"  # MLflow reads them at each request
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # read when mlflow is imported
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow asks a server that is gone again after 0, 2, 4, 8 ... 120 s, 4 minutes in all. By its own default of 2 it
    # would notice a server that was gone for a minute only at the third time.
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    RETRIES: "8",
}

# Methods that read an address of files, which another machine with this store elsewhere may have changed meanwhile.
OF_FILES = {"create_run", "create_logged_model", "download_artifacts"}
OF_FILES |= {"log_dict", "log_artifacts", "log_model_artifacts"}

LOCKED = r"database( table)? is locked"
ADVICE = (  # by what the reason says; the first that fits
    (LOCKED, "End the program that holds the database"),
    (r"database or disk is full|No space left|File too large|quota", "Free some space"),
    (r"readonly database|[Rr]ead-only|Permission denied|unable to open", "Make it writable"),
    (r"HTTPS?Connection|API request|error responses", "Check that the server runs"),
)


class TrackingError(InputError):
    """A tracking store that cannot be reached or read; the message says which and what to do."""


class StoreError(TrackingError):
    """The store failed in the middle of the work.

    Attributes:
        reason: what the store said, in one line, without secrets.
        refused: the store works and said no, as to a run that it does not have; else it cannot be reached or written.
    """

    def __init__(self, uri: str, action: str, error: Exception) -> None:
        # Of a database's error without the statement, of a request's only the last cause.
        cause = re.search(r"\(Caused by \w+\([\"'](.*)[\"']\)\)", str(error))
        self.reason = without_secrets(cause[1] if cause else str(error).partition("\n[SQL")[0], uri)
        self.refused = _is_refusal(error)
        advice = next((text for pattern, text in ADVICE if re.search(pattern, self.reason)), "Repair the store")
        super().__init__(
            f"tracking store {without_secrets(uri)}: {action} failed ({self.reason}). {advice} and run the same "
            "command again: finished runs are kept."
        )


def tracking_uri(option: str | None) -> str:
    """Return the store to use: the option's, else MLFLOW_TRACKING_URI's, else mlflow.db in the working directory."""
    return option or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI


def existing_uri(option: str | None) -> str:
    """Return the tracking URI of a store to read, which is not opened yet.

    Raises:
        TrackingError: it is an sqlite file that does not exist.
    """
    uri = tracking_uri(option)
    if not store_exists(uri):
        raise TrackingError(f"tracking store {uri}: does not exist. Create it with `python -m benchmark run all`")
    return uri


def quiet_client(uri: str, lock: Path, *, probe: bool = True) -> MlflowClient:
    """Open, under the lock, a client that sends no telemetry, prints nothing, and whose failures are StoreErrors.

    Raises:
        StoreAddressError: the address names no file.
        TrackingError: the store cannot be opened, or the lock cannot be created.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.exceptions import MlflowException
    except RuntimeError as error:  # a user without a home, in a process that is not ours
        raise TrackingError(f"MLflow: cannot be loaded ({error}). Set HOME.") from None
    from sqlalchemy.exc import SQLAlchemyError

    _silence_libraries()
    client = _PatientClient(uri)
    held = FileLock(lock)  # two processes that create the tables at once leave neither with a database
    try:
        held.acquire()
    except OSError as error:
        raise TrackingError(
            f"--cache-dir {lock.parent}: cannot be written ({error.strerror}). Make it writable or name another."
        ) from None
    try:
        with _one_try() if probe else nullcontext():
            client.ask("opening", client.open)
    except (MlflowException, SQLAlchemyError, ImportError, OSError, ValueError, StoreError) as error:
        reason = error.reason if isinstance(error, StoreError) else without_secrets(str(error), uri)
        raise TrackingError(
            f"tracking store {without_secrets(uri)}: cannot be opened ({reason}). "
            "Check --tracking-uri or MLFLOW_TRACKING_URI."
        ) from None
    finally:
        held.release()
    return cast("MlflowClient", client)


def stop_waiting(client: MlflowClient) -> None:
    """Wait no more for a store that is locked or gone: the user has interrupted us, or we have waited long enough."""
    cast(_PatientClient, client).patience = 0.0
    os.environ[RETRIES] = "1"


class _PatientClient:
    """MLflow's client, all of whose methods wait for a locked database and fail with a StoreError.

    A repeated request writes nothing twice: a failed transaction left nothing, and for requests whose answer was lost
    see store.py and mlflow_tracker.py.
    """

    def __init__(self, uri: str) -> None:
        import mlflow

        self._uri, self._file = uri, sqlite_file(uri)
        folder = Path(mlflow.__file__).parent
        if "%" in str(folder) and not uri.startswith("http"):
            raise TrackingError(f"{folder}: MLflow opens no database from a folder with % in it. Rename the folder.")
        self._client: MlflowClient | None = None
        self._follows = self._file is not None
        self.patience = LOCK_SECONDS

    def open(self) -> None:
        """Make MLflow's client and read something; find the files of an sqlite store that was moved."""
        from mlflow import MlflowClient

        if self._file is not None:
            if self._file.is_dir():  # MLflow would try for minutes
                raise IsADirectoryError(f"{self._file} is a folder")
            self._file.parent.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=address_for_libraries(self._uri))
        self._client.search_experiments(max_results=1)
        self._find_files()

    def _find_files(self) -> None:
        from mlflow.tracking._tracking_service import utils

        if self._file is not None and self._follows:
            self._follows = follow_database(self._uri, self._file)
            # MLflow remembers files by a run's id alone, which a copy of the store has too; the name is not public.
            getattr(utils, "_artifact_repos_cache", {}).clear()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not callable(value):
            return value
        if name in OF_FILES:
            self.ask("finding its files", self._find_files)
        return partial(self.ask, name, value)

    def ask(self, action: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call the method, again while the database is locked.

        Raises:
            StoreError: the method failed, and a locked database stayed locked.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
        from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

        def say(_: object) -> None:
            logger.warning("tracking store %s: another program holds it; waiting", without_secrets(self._uri))

        retrying = Retrying(
            retry=retry_if_exception(lambda error: re.search(LOCKED, str(error)) is not None),
            stop=stop_after_delay(self.patience),
            wait=wait_fixed(0.5),  # MLflow has waited before
            before_sleep=say,
            reraise=True,
        )
        started = time.monotonic()
        try:
            return retrying(method, *arguments, **named)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            if time.monotonic() - started >= LOCK_SECONDS:
                stop_waiting(cast("MlflowClient", self))  # recording how the run ended need not wait once more
            raise StoreError(self._uri, action, error) from error


def _silence_libraries() -> None:
    """Leave out MLflow's own words, as failures are reported in ours and a sample of system metrics may be lost."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("mlflow.store.db.utils", "mlflow.system_metrics"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    connections = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(handler, _Retries) for handler in connections.handlers):
        connections.addHandler(_Retries(logging.WARNING))


class _Retries(logging.Handler):
    """Report what urllib3 keeps to itself: that a server did not answer and is asked again."""

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("Retrying (") and isinstance(record.args, tuple):
            logger.warning("no answer (%s); asking again", without_secrets(str(record.args[1]), ""))


@contextmanager
def _one_try() -> Iterator[None]:
    """Let MLflow ask a server once, with whatever proxy and certificates it uses, instead of again for minutes."""
    asked = {RETRIES: "0", TIMEOUT: os.environ.get(TIMEOUT, "30")}
    before = {name: os.environ.get(name) for name in asked}
    os.environ.update(asked)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _is_refusal(error: Exception) -> bool:
    from mlflow.exceptions import MlflowException

    if not isinstance(error, MlflowException):
        return False
    # BAD_REQUEST is what MLflow makes of any fault of the database that it does not know.
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status < 500 and error.error_code != "BAD_REQUEST"
