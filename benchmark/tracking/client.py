"""The way to MLflow's store: opened quietly, waited for while it is gone, faults told in words, secrets kept."""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from data_pipeline.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from tenacity import RetryCallState

logger = logging.getLogger(__name__)

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"  # MLflow's own default, so a plain `mlflow ui` here shows our runs

# MLflow itself waits 20 s for a database that another program holds, and then fails; so long we ask it again.
LOCK_SECONDS = 100.0
# A server that is gone is asked again by MLflow after 0, 2, 4, 8 ... 120 s, 4 minutes in all; its own default begins
# with twice that, and would notice one that was gone for a minute only in the third.
REQUESTS = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "8"}
HURRIED = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}

SECRET_NAMES = ("password", "passwd", "pwd", "sslpassword", "token")  # in a URI's query
SHORTEST_SECRET = 4  # characters: a shorter one would be found everywhere

GOES_ON = "what is finished stays, and the same command goes on"
ADVICE = (  # by what the reason says; the first that fits
    (r"database( table)? is locked", "end the program that holds the database"),
    (r"database or disk is full|No space left|File too large|quota", "free some space"),
    (r"readonly database|[Rr]ead-only|Permission denied|unable to open", "make it writable"),
    (r"HTTPS?Connection|API request|error responses", "see that the server runs"),
)


class TrackingError(InputError):
    """A tracking store that cannot be reached or read; the message says which and what to do."""


class StoreError(TrackingError):
    """The store did not do what it was asked in the middle of the work.

    Attributes:
        reason: what it said, in one line, without secrets.
        refused: it is there and said no, as to a run that it does not have; else it cannot be reached, read or written.
    """

    def __init__(self, uri: str, action: str, error: Exception) -> None:
        # Without a database's statement, and of what a request went through its last cause alone.
        cause = re.search(r"\(Caused by \w+\([\"'](.*)[\"']\)\)", str(error))
        self.reason = without_secrets(cause[1] if cause else str(error).partition("\n[SQL")[0], uri)
        self.refused = _is_refusal(error)
        advice = next((text for pattern, text in ADVICE if re.search(pattern, self.reason)), "see what it lacks")
        super().__init__(
            f"tracking store {without_secrets(uri, uri)}: {action} failed ({self.reason}); {advice}; {GOES_ON}"
        )


def tracking_uri(option: str | None) -> str:
    """The store to use: the option's, else MLFLOW_TRACKING_URI's, else mlflow.db in the working directory."""
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


def store_exists(uri: str) -> bool:
    """False for an sqlite file that is not there; of other stores nobody can tell before they are opened."""
    file = sqlite_file(uri)
    return file is None or file.exists()


def sqlite_file(uri: str) -> Path | None:
    """The database's file, None for a store of another kind."""
    scheme, _, file = uri.partition(":///")
    return Path(file) if scheme == "sqlite" else None


def local_path(address: str) -> Path | None:
    """Where artifacts of this address lie on this machine's disk, None where they are elsewhere."""
    location = urlsplit(address)
    return Path(url2pathname(location.path)) if location.scheme in {"", "file"} else None


def quiet_client(uri: str, lock: Path, *, probe: bool = True) -> MlflowClient:
    """A client that sends no telemetry, prints nothing of its own, and whose failures are StoreErrors.

    Args:
        uri: of the store.
        lock: is held while the store is opened.
        probe: see first whether anybody is there; in the middle of a plan one waits for a server that is gone.

    Raises:
        TrackingError: the store cannot be opened, or the lock not be made.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name, value in REQUESTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    _quieten()
    held = FileLock(lock)  # two processes that create the tables at once leave neither with a database
    try:
        held.acquire()
    except OSError as error:
        raise TrackingError(
            f"--cache-dir {lock.parent}: cannot be written: {error.strerror}; make it writable or name another"
        ) from None
    try:
        if probe:
            _refuse_unreachable(uri)
        client = _PatientClient(uri)
        client.ask("opening", lambda: client.open(MlflowClient(tracking_uri=uri)))
    except StoreError as error:
        raise _cannot_be_opened(uri, error.reason) from None
    except (MlflowException, SQLAlchemyError, ImportError, OSError, ValueError) as error:
        raise _cannot_be_opened(uri, str(error)) from None
    finally:
        held.release()
    return cast("MlflowClient", client)


def stop_waiting(client: MlflowClient) -> None:
    """From now on the client waits for nothing: the user has interrupted us, or we have waited long enough."""
    cast(_PatientClient, client).patient = False


def without_secrets(text: str, uri: str) -> str:
    """The text in one line, without the user and password that the URI may carry."""
    return " ".join(mask_secrets(text, uri).split())[:300]  # last, or a secret that is cut in two would not be found


def mask_secrets(text: str, uri: str) -> str:
    """The text without the user and password that the URI may carry, as written there, decoded, or in its query."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # it is no URI, but may hold a password all the same
        return re.sub(r"://[^\s@]*@", "://", text)
    user = parts.netloc.rpartition("@")[0]
    if user:
        text = text.replace(f"{user}@", "")
    given = [value for name, value in parse_qsl(parts.query) if name.lower() in SECRET_NAMES]
    for secret in filter(None, [parts.password, *given]):
        for written in {secret, unquote(secret), quote(secret)}:
            if len(written) >= SHORTEST_SECRET:
                text = text.replace(written, "***")
    return text


class _PatientClient:
    """MLflow's client, all of whose methods wait for a locked database and fail with a StoreError.

    A request that is made twice writes nothing twice: a transaction that failed left nothing, and for requests whose
    answer was lost on the way see store.py and mlflow_tracker.py.

    Args:
        uri: of the store.

    Attributes:
        patient: it waits for a store that is locked or gone.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client: MlflowClient | None = None
        self.patient = True

    def open(self, client: MlflowClient) -> None:
        """Take MLflow's client, once it has read something."""
        client.search_experiments(max_results=1)
        self._client = client

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        return partial(self.ask, name, value) if callable(value) else value

    def ask(self, action: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What the method gives.

        Raises:
            StoreError: it failed, and went on failing for as long as it is waited.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
        from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

        retrying = Retrying(
            retry=retry_if_exception(_is_locked),
            stop=stop_after_delay(LOCK_SECONDS if self.patient else 0),
            wait=wait_fixed(0.5),  # MLflow has waited before
            before_sleep=self._say_locked,
            reraise=True,
        )
        started = time.monotonic()
        try:
            with _environment({} if self.patient else HURRIED):
                return retrying(method, *arguments, **named)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            if time.monotonic() - started >= LOCK_SECONDS:
                self.patient = False  # whoever writes down next how it ended need not wait once more
            raise StoreError(self._uri, action, error) from error

    def _say_locked(self, state: RetryCallState) -> None:
        logger.warning("tracking store %s: another program holds it; waiting", without_secrets(self._uri, self._uri))


def _quieten() -> None:
    """MLflow's own words are left out: faults are told in ours, and of the machine's load a sample may be lost."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("mlflow.store.db.utils", "mlflow.system_metrics"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    connections = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(handler, _Retries) for handler in connections.handlers):
        connections.addHandler(_Retries(logging.WARNING))


class _Retries(logging.Handler):
    """Says in words what urllib3 keeps to itself: that a server did not answer and is asked again."""

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("Retrying (") and isinstance(record.args, tuple):
            logger.warning("no answer (%s); asking again", without_secrets(str(record.args[1]), ""))


def _cannot_be_opened(uri: str, reason: str) -> TrackingError:
    return TrackingError(
        f"tracking store {without_secrets(uri, uri)}: cannot be opened ({without_secrets(reason, uri)}); "
        "check --tracking-uri or MLFLOW_TRACKING_URI"
    )


def _refuse_unreachable(uri: str) -> None:
    """Knock at a server's door once: MLflow itself would try again for minutes before it says that nobody is there."""
    file = sqlite_file(uri)
    if file is not None and file.is_dir():  # the database's library would try for minutes
        raise IsADirectoryError(f"{file} is a folder")
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=10).close()


def _is_locked(error: BaseException) -> bool:
    return re.search(ADVICE[0][0], str(error)) is not None


def _is_refusal(error: Exception) -> bool:
    from mlflow.exceptions import MlflowException

    if not isinstance(error, MlflowException):
        return False
    # BAD_REQUEST is what MLflow makes of any fault of the database that it does not know.
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status < 500 and error.error_code != "BAD_REQUEST"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """MLflow reads its settings of requests from the environment, at each of them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
