"""The tracking store: whether it can be used, and the runs that a kill left in it as if they were going on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.doctor.finding import Finding, Level, note, ok, problem
from benchmark.tracking.client import TrackingError, quiet_client, sqlite_file, store_exists, without_secrets
from benchmark.tracking.lock import is_orphan, local_lock
from benchmark.tracking.records import REPRODUCTION, RUN, STUDY, TRIAL, RunRecord, Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import experiment_name

PATIENCE = 10.0  # seconds for whoever writes to the database
A_TABLE = "experiments"  # every MLflow database has it
AFRESH = "put a copy of it back, or move it away: `run all` then makes a new one and does the runs again"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run of the store.

    Attributes:
        profile: in whose experiment it is.
        kind: RUN or REPRODUCTION.
        run: its record.
    """

    profile: str
    kind: str
    run: RunRecord

    @property
    def identity(self) -> str:
        """The run's identity, after which its lock is named."""
        return Path(self.run.lock).stem


@dataclass(frozen=True, slots=True)
class StoreState:
    """What was found of a store.

    Attributes:
        finding: its line.
        runs: those in it, None where nobody can tell.
    """

    finding: Finding
    runs: tuple[Recorded, ...] | None = None


def look_at_store(uri: str) -> StoreState:
    """Open the store and read its runs; of an sqlite file a copy, for MLflow may write to what it opens."""
    shown = without_secrets(uri, uri)
    if not store_exists(uri):
        return StoreState(note(f"there is no {shown} yet; `run` makes it"), ())
    file = sqlite_file(uri)
    with TemporaryDirectory() as folder:
        if file is None:
            return _opened(uri, shown, Path(folder))
        copy = Path(folder, "copy.db")
        return _copied(file, copy) or _opened(f"sqlite:///{copy}", shown, Path(folder))


def run_findings(recorded: Sequence[Recorded]) -> Iterator[Finding]:
    """Runs that say RUNNING and at which no process is at work."""
    at_work = 0
    for each in recorded:
        run = each.run
        if run.status is not Status.RUNNING:
            continue
        told = f"{run.name} (MLflow run {run.run_id}) says RUNNING"
        command = f"python -m benchmark run {run.experiment} --profile {each.profile}"
        if local_lock(run.lock) is None:
            yield note(
                f"{told} on another machine (lock {run.lock or 'unknown'}), and nobody can tell from here; if its "
                f"process is gone, `{command} --fresh` does it again"
            )
        elif is_orphan(run):
            goes_on = "; with the options that it had, it also goes on with the run" if each.kind == RUN else ""
            yield problem(f"{told}, but its process is gone", f"`{command}` puts that right{goes_on}")
        else:
            at_work += 1
    yield ok(f"{len(recorded)} recorded, {at_work} with a process at work")


def _copied(file: Path, copy: Path) -> StoreState | None:
    """Check the database, opened for reading alone, and copy it; what was found where there is then no copy."""
    try:
        uri = f"{file.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as database:
            damage = " ".join(str(line) for (line,) in database.execute("PRAGMA quick_check(1)"))
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            if damage == "ok" and A_TABLE in tables:
                database.execute("VACUUM INTO ?", (str(copy),))
                return None
    except sqlite3.Error as error:
        return StoreState(_refusal(file, error))
    if damage != "ok":
        return StoreState(problem(f"{file} is damaged ({' '.join(damage.split())})", AFRESH))
    if not tables:
        return StoreState(note(f"{file} is empty; `run` makes its tables"), ())
    return StoreState(
        problem(f"{file} is a database of something else (table {tables[0]})", "name another one by --tracking-uri")
    )


def _refusal(file: Path, error: sqlite3.Error) -> Finding:
    """Why sqlite does not read the file."""
    if error.sqlite_errorname == "SQLITE_READONLY_ROLLBACK":
        return note(f"a kill broke off a write to {file}; `run` takes that back when it opens the database")
    if error.sqlite_errorname.startswith("SQLITE_BUSY"):
        return problem(f"{file} has been locked for {PATIENCE:.0f} s", "end the process that holds it, or wait for it")
    return problem(f"{file} cannot be read ({error})", AFRESH)


def _opened(uri: str, shown: str, folder: Path) -> StoreState:
    """The runs in a store.

    Args:
        uri: of the store, or of a copy.
        shown: what the reader is told of it.
        folder: for locks.
    """
    try:
        return StoreState(ok(f"{shown}: in order"), tuple(_recorded(uri, folder)))
    except TrackingError as error:
        return StoreState(Finding(Level.PROBLEM, str(error).replace(without_secrets(uri, uri), shown)))


def _recorded(uri: str, folder: Path) -> Iterator[Recorded]:
    store, every = TrackingStore(uri, folder), experiment_name("")
    for experiment in quiet_client(uri, folder / "client.lock").search_experiments():
        if experiment.name.startswith(every):
            profile = experiment.name.removeprefix(every)
            for kind in (RUN, REPRODUCTION, STUDY, TRIAL):
                yield from (Recorded(profile, kind, run) for run in store.runs(profile, kind))
