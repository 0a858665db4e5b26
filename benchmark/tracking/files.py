"""The files of an sqlite store, wherever both are moved: MLflow records absolute addresses."""

from __future__ import annotations

import logging
from pathlib import Path

from benchmark.tracking.address import address_for_libraries, local_path
from benchmark.tracking.tags import EXPERIMENT_PREFIX

logger = logging.getLogger(__name__)

FOLDER = "mlruns"
OF_NEW_RUNS = "experiments"
RECORDED_IN = (  # tables and columns of MLflow's database
    (OF_NEW_RUNS, "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def files_address(database: Path, experiment: str = "") -> str:
    """Return the address of an experiment's files: beside the database, not in whatever is the working directory."""
    return (database.resolve().parent / FOLDER / experiment).as_uri()


def follow_database(address: str, database: Path) -> None:
    """Record anew what is beside the database and was recorded elsewhere, as after a move or in a copy.

    Args:
        address: of the database, or of a copy of it in which to record.
        database: whose folder counts.
    """
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.exc import OperationalError

    here = {"here": f"{files_address(database)}/", "ours": f"%/{FOLDER}/{EXPERIMENT_PREFIX}%"}
    with create_engine(address_for_libraries(address), poolclass=NullPool).connect() as connection:
        for table, column in RECORDED_IN:
            elsewhere = f"{column} LIKE :ours AND substr({column}, 1, length(:here)) != :here"
            rows = connection.execute(text(f"SELECT rowid, {column} FROM {table} WHERE {elsewhere}"), here)  # noqa: S608
            found = [(row, _beside(old, database, stays=table != OF_NEW_RUNS)) for row, old in rows]
            moved = [{"row": row, "new": new} for row, new in found if new]
            try:
                if moved:
                    connection.execute(text(f"UPDATE {table} SET {column} = :new WHERE rowid = :row"), moved)  # noqa: S608
            except OperationalError as error:
                if "readonly" not in str(error):
                    raise
                logger.warning(
                    "%s was moved and is read-only: files of its runs are not found. Copy both and use the copy.",
                    database,
                )
                return
        connection.commit()


def _beside(address: str, database: Path, *, stays: bool) -> str | None:
    """Return where files of ours belong: beside the database; None where they are that folder under another name.

    Files that exist as recorded and not beside the database stay there if `stays`.
    """
    recorded = local_path(address)
    if recorded is None:
        return None
    *_, at = (i for i, part in enumerate(recorded.parts) if part == FOLDER)
    here = database.resolve().parent.joinpath(*recorded.parts[at:])
    if recorded.exists() and (recorded.samefile(here) if here.exists() else stays):
        return None
    return here.as_uri()
