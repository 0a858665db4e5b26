"""Open Optuna's storage and find a study in it; an unusable storage is one error without secrets."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import optuna
from optuna import Study
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from benchmark.tracking.address import address_for_libraries, sqlite_file, store_exists, without_secrets
from benchmark.tracking.lock import hold
from benchmark.tuning.study import EXPERIMENT, GRACE_SECONDS, HEARTBEAT_SECONDS, PROFILE
from data_pipeline.errors import InputError, did_you_mean

DEFAULT_STORAGE = "sqlite:///optuna.db"
LOCK_SECONDS = 100  # how long sqlite waits for another worker's write


class StorageError(InputError):
    """A storage that cannot be opened, or a study that is not in it."""


def storage_uri(option: str | None) -> str:
    """Return the option, else OPTUNA_STORAGE, else optuna.db in the working directory."""
    return option or os.environ.get("OPTUNA_STORAGE") or DEFAULT_STORAGE


def open_storage(
    uri: str, lock: Path, *, create: bool = True, on_stale: Callable[[Study, FrozenTrial], None] | None = None
) -> RDBStorage:
    """Open the storage; create its tables if there are none.

    Args:
        uri: SQLAlchemy's URL.
        lock: held meanwhile, because two workers that create the tables at once leave neither with any.
        create: False: an absent sqlite file is an error.
        on_stale: called with a trial whose heartbeat has stopped, on any host.

    Raises:
        StorageError: the storage cannot be opened, or is MLflow's.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    public = without_secrets(uri, uri)
    try:
        backend = make_url(uri).get_backend_name()
    except (ArgumentError, ValueError):
        raise StorageError(f"--storage {public}: not a URL such as {DEFAULT_STORAGE}") from None
    address, is_sqlite = address_for_libraries(uri), sqlite_file(uri) is not None
    if not create and not store_exists(uri):
        raise StorageError(f"{uri}: no study yet. `python -m benchmark tune NAME` begins one.")
    try:
        with hold(lock):
            engine = create_engine(address)
            tables = set(inspect(engine).get_table_names())
            engine.dispose()
            if "experiments" in tables and "studies" not in tables:  # both keep a table alembic_version of their own
                raise StorageError(f"--storage {public}: MLflow's database. Use another, such as {DEFAULT_STORAGE}.")
            return RDBStorage(
                address,
                engine_kwargs={"connect_args": {"timeout": LOCK_SECONDS}} if is_sqlite else {"pool_pre_ping": True},
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=on_stale,
            )
    except (SQLAlchemyError, OptunaError, ImportError, OSError, RuntimeError) as error:
        cure = "Check --storage or OPTUNA_STORAGE."
        if isinstance(error, ImportError):
            extra = backend == "postgresql"
            cure = f"Install its driver{': `pip install imdb-sentiment-benchmark[postgresql]`' if extra else ''}."
        reason = without_secrets(str(error).partition("(Background")[0].strip(), uri)
        raise StorageError(f"--storage {public}: cannot be opened ({reason}). {cure}") from None


def find_study(storage: RDBStorage, profile: str, name: str) -> tuple[Study, list[str]]:
    """Return the study of that full name, else the experiment's newest one; and the names of its older ones.

    Raises:
        StorageError: there is none.
    """
    ours = [summary for summary in optuna.get_all_study_summaries(storage) if EXPERIMENT in summary.user_attrs]
    in_profile = {each.study_name: each.user_attrs[EXPERIMENT] for each in ours if each.user_attrs[PROFILE] == profile}
    found = [each for each in ours if each.study_name == name] or [
        each for each in ours if in_profile.get(each.study_name) == name
    ]
    if not found:
        advice = did_you_mean(name, dict.fromkeys(in_profile.values())) if in_profile else ""
        raise StorageError(
            f"there is no study of {name!r} in profile {profile!r}{advice}. "
            f"`python -m benchmark tune {name} --profile {profile}` begins one."
        )
    names = [each.study_name for each in sorted(found, key=lambda each: each.datetime_start or datetime.min)]
    return optuna.load_study(study_name=names.pop(), storage=storage), names[::-1]
