"""The files of an sqlite store, wherever both are moved: MLflow records absolute addresses."""

from __future__ import annotations

import logging
import os
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
UNFINISHED = {"runs": "status = 'RUNNING'", "logged_models": "status = 1"}  # 1: PENDING; both may have no files yet


def files_address(database: Path, experiment: str = "") -> str:
    """Return the address of an experiment's files: beside the database, not in whatever is the working directory."""
    return (database.resolve().parent / FOLDER / experiment).as_uri()


def follow_database(address: str, database: Path) -> bool:
    """Record anew what is beside the database and was recorded elsewhere, as after a move or in a copy.

    Args:
        address: of the database, or of a copy of it in which to record.
        database: whose folder counts.

    Returns:
        False where the database is read-only, and something would have been recorded.
    """
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.exc import OperationalError

    here = {"here": f"{files_address(database)}/", "ours": f"%/{FOLDER}/{EXPERIMENT_PREFIX}%"}
    with create_engine(address_for_libraries(address), poolclass=NullPool).connect() as connection:
        for table, column in RECORDED_IN:
            elsewhere = f"{column} LIKE :ours AND substr({column}, 1, length(:here)) != :here"
            query = f"SELECT rowid, {column}, {UNFINISHED.get(table, '0')} FROM {table} WHERE {elsewhere}"  # noqa: S608
            found = [
                (row, _beside(old, database, always=table == OF_NEW_RUNS, unfinished=bool(unfinished)))
                for row, old, unfinished in connection.execute(text(query), here)
            ]
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
                return False
        connection.commit()
    return True


def _beside(address: str, database: Path, *, always: bool, unfinished: bool) -> str | None:
    """Return where files of ours belong, beside the database; None where they stay where they are recorded.

    What is not beside it stays, found or out of reach for a while, unless `always`, or `unfinished` and not found.
    """
    recorded = local_path(address)
    if recorded is None or FOLDER not in recorded.parts:  # SQLite's LIKE overlooks the case
        return None
    at = max(i for i, part in enumerate(recorded.parts) if part == FOLDER)
    here = database.resolve().parent.joinpath(*recorded.parts[at:])
    # Path.exists fails for a folder of another user.
    is_there, is_here = os.path.exists(recorded), os.path.exists(here)  # noqa: PTH110
    if is_there and is_here:
        return None if recorded.samefile(here) else here.as_uri()
    return here.as_uri() if is_here or always or (unfinished and not is_there) else None
