"""Where Optuna keeps its studies: opened quietly, faults told in words, secrets kept."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from benchmark.tracking.client import without_secrets
from benchmark.tracking.lock import hold
from benchmark.tuning.recovery import GRACE_SECONDS, HEARTBEAT_SECONDS, try_again
from data_pipeline.errors import InputError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

DEFAULT_STORAGE = "sqlite:///optuna.db"
LOCK_SECONDS = 100  # sqlite's patience with another worker that writes


class StorageError(InputError):
    """A storage that cannot be opened, or a study that is not in it."""


def storage_uri(option: str | None) -> str:
    """The storage to use: the option's, else OPTUNA_STORAGE's, else optuna.db in the working directory."""
    return option or os.environ.get("OPTUNA_STORAGE") or DEFAULT_STORAGE


def open_storage(
    uri: str, lock: Path, *, create: bool = True, retire: Callable[[Study, FrozenTrial], None] = try_again
) -> RDBStorage:
    """The storage, its tables made if there are none.

    Args:
        uri: SQLAlchemy's URL.
        lock: is held while it is opened: two workers that make the tables at once leave neither with any.
        create: False: an sqlite file that is not there is told and not made.
        retire: is given a trial whose heartbeat has stopped, wherever its worker was.

    Raises:
        StorageError: it cannot be opened, or is MLflow's.
    """
    _quieten()
    from optuna.exceptions import OptunaError
    from optuna.storages import RDBStorage

    try:
        url = make_url(uri)
        is_sqlite = url.get_backend_name() == "sqlite"
    except (ArgumentError, ValueError):
        raise StorageError(f"--storage {without_secrets(uri, uri)}: is no URL such as {DEFAULT_STORAGE}") from None
    if is_sqlite and url.database in {None, "", ":memory:"}:
        raise StorageError(f"--storage {uri}: is a database in memory, gone with its process; give {DEFAULT_STORAGE}")
    file = Path(url.database) if is_sqlite and url.database else None
    if file is not None and not create and not file.exists():
        raise StorageError(f"there is no study at {uri} yet; `python -m benchmark tune NAME` makes one")
    try:
        with hold(lock):
            _refuse_mlflow(uri)
            return RDBStorage(
                uri,
                engine_kwargs={"connect_args": {"timeout": LOCK_SECONDS}} if is_sqlite else {"pool_pre_ping": True},
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=retire,
            )
    except (SQLAlchemyError, OptunaError, ImportError, OSError, RuntimeError) as error:
        raise StorageError(
            f"--storage {without_secrets(uri, uri)}: cannot be opened "
            f"({without_secrets(str(error).partition('(Background')[0], uri)}); {_advice(url, error)}"
        ) from None


def _refuse_mlflow(uri: str) -> None:
    """Optuna and MLflow both keep a table alembic_version, of which neither can read the other's."""
    from sqlalchemy import create_engine

    engine = create_engine(uri)
    try:
        tables = set(inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if "experiments" in tables and "studies" not in tables:
        raise StorageError(
            f"--storage {without_secrets(uri, uri)}: is MLflow's database; give Optuna one of its own, "
            f"such as {DEFAULT_STORAGE}"
        )


def _advice(url: URL, error: Exception) -> str:
    if isinstance(error, ImportError) and url.get_backend_name() == "postgresql":
        return "install its driver: `pip install 'imdb-sentiment-benchmark[postgresql]'` brings it, psycopg"
    if isinstance(error, ImportError):
        return "install its driver"
    return "check --storage or OPTUNA_STORAGE"


def _quieten() -> None:
    """What ends a trial is told in our words; parts of Optuna that may change are used knowingly."""
    import optuna
    from optuna.exceptions import ExperimentalWarning

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
