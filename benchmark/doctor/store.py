"""Check the tracking store, and find runs that a killed process left RUNNING."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmark.doctor.finding import PROBLEM, Finding, note, ok, problem
from benchmark.tracking.address import local_path, sqlite_address, sqlite_file, store_exists, without_secrets
from benchmark.tracking.client import TrackingError
from benchmark.tracking.files import FOLDER, follow_database
from benchmark.tracking.lock import is_orphan, local_lock
from benchmark.tracking.records import REPRODUCTION, RUN, STUDY, TRIAL, RunRecord, Status
from benchmark.tracking.store import TrackingStore

PATIENCE = 10.0  # seconds to wait for another program that writes to the database


class Recorded(NamedTuple):
    """A run of the store: the profile it belongs to, its kind, and its record."""

    profile: str
    kind: str
    run: RunRecord


def check_store(uri: str) -> tuple[Finding, list[Recorded] | None]:
    """Open the store, or a copy of its sqlite file, which then stays as it is; read its runs, None where unknown."""
    public = without_secrets(uri, uri)
    if not store_exists(uri):
        return note(f"there is no {public} yet; `run` makes it"), []
    file = sqlite_file(uri)
    with TemporaryDirectory() as folder:
        opened = uri
        if file is not None:
            copy = Path(folder, "copy.db")
            opened = sqlite_address(copy)
            if fault := _copy(file, copy):
                return fault, None
        try:
            return ok(f"{public}: in order"), list(_recorded(opened, Path(folder), file))
        except TrackingError as error:
            return Finding(PROBLEM, str(error).replace(without_secrets(opened, opened), public)), None


def run_findings(recorded: Sequence[Recorded], locks: Path) -> Iterator[Finding]:
    """Find runs that are RUNNING without a process."""
    running = [each for each in recorded if each.run.status is Status.RUNNING]
    stopped = 0
    for profile, kind, run in running:
        name = f"{run.name} (MLflow run {run.run_id}) is RUNNING"
        command = f"python -m benchmark run {run.experiment} --profile {profile}"
        if local_lock(run.lock, locks) is None:
            yield note(
                f"{name} on another host or cache folder (lock {run.lock or 'unknown'}); if its process is gone, "
                f"`{command} --fresh` does it again"
            )
        elif is_orphan(run, locks):
            resumes = "; with the options that it had, it also resumes the run" if kind == RUN else ""
            yield problem(f"{name}, but its process is gone", f"`{command}` repairs that{resumes}")
        else:
            continue
        stopped += 1
    yield ok(f"{len(recorded)} recorded, {len(running) - stopped} with a process at work")


def file_findings(recorded: Sequence[Recorded]) -> Iterator[Finding]:
    """Find finished runs whose files are gone; those on a server are not looked for."""
    folders = [local_path(run.artifacts) for _, kind, run in recorded if run.status is Status.FINISHED and kind == RUN]
    gone = [folder for folder in folders if folder and not os.path.isdir(folder)]  # noqa: PTH112 - see files.py
    if gone:
        yield problem(
            f"{len(gone)} of {len(folders)} finished runs have lost their files, as {gone[0]}",
            f"put the folder `{FOLDER}` back beside the database, or where it was",
        )


def _copy(file: Path, copy: Path) -> Finding | None:
    """Copy the database, opened read-only; return a finding where there is nothing to copy."""
    try:
        uri = f"{file.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            if not tables:
                return note(f"{file} is empty; `run` makes its tables")
            if "experiments" not in tables:  # which every MLflow database has
                return problem(
                    f"{file} is a database of something else (table {tables[0]})", "name another by --tracking-uri"
                )
            database.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as error:
        if error.sqlite_errorname == "SQLITE_READONLY_ROLLBACK":
            return note(f"a killed process left an unfinished write to {file}; `run` takes it back")
        return problem(
            f"{file} cannot be read ({error})",
            "end the program that uses it, or put a copy of it back, or move it away: `run all` makes a new one",
        )
    return None


def _recorded(uri: str, folder: Path, file: Path | None) -> Iterator[Recorded]:
    store = TrackingStore(uri, folder)
    if file is not None:
        follow_database(uri, file)  # as `run` and `report` do in the database itself
    for profile in store.profiles():
        for kind in (RUN, REPRODUCTION, STUDY, TRIAL):
            yield from (Recorded(profile, kind, run) for run in store.runs(profile, kind))
