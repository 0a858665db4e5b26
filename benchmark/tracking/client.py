"""The way to MLflow's store: opened quietly, faults told in words, secrets kept."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock

from data_pipeline.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"  # MLflow's own default, so a plain `mlflow ui` here shows our runs


class TrackingError(InputError):
    """A tracking store that cannot be reached or read; the message says which and what to do."""


def tracking_uri(option: str | None) -> str:
    """The store to use: the option's, else MLFLOW_TRACKING_URI's, else mlflow.db in the working directory."""
    return option or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI


def quiet_client(uri: str, lock: Path) -> MlflowClient:
    """A client that sends no telemetry and prints nothing of its own."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        _refuse_unreachable(uri)
        with FileLock(lock):  # two processes that create the tables at once leave neither with a database
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, ImportError, OSError, ValueError) as error:
        raise TrackingError(
            f"tracking store {without_secrets(uri, uri)}: cannot be opened ({without_secrets(str(error), uri)}); "
            "check --tracking-uri or MLFLOW_TRACKING_URI"
        ) from None
    return client


def _refuse_unreachable(uri: str) -> None:
    """Knock at a server's door once: MLflow itself would try again for minutes before it says that nobody is there."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=10).close()


def without_secrets(text: str, uri: str) -> str:
    """The text in one line, without the user and password that the URI may carry."""
    secret = urlsplit(uri).netloc.rpartition("@")[0]
    line = " ".join(text.split())[:300]
    return line.replace(f"{secret}@", "") if secret else line
