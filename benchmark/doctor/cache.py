"""Check the cache: what it takes, what a killed process left unfinished, and checkpoints that no run needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from benchmark.doctor.finding import Finding, note, ok
from benchmark.doctor.store import Recorded
from benchmark.output import spell_bytes
from benchmark.plan.workspace import Workspace
from benchmark.tracking.lock import hold_if_free
from benchmark.tracking.records import RUN, TRIAL, Status
from benchmark.training.checkpoint import last_step
from data_pipeline.cache import UNFINISHED

KINDS = ("tokens", "features", "corpora", "vocabularies")


def entry_findings(cache_dir: Path) -> Iterator[Finding]:
    """Count the entries of each kind, and find those that a killed process left unfinished."""
    if not cache_dir.is_dir():
        yield note(f"there is no {cache_dir} yet; `run` makes it")
        return
    for kind in KINDS:
        folders = _folders(cache_dir / kind)
        unfinished = [path for path in folders if path.suffix == UNFINISHED]
        yield ok(f"{kind}: {len(folders) - len(unfinished)} entries, {spell_bytes(_size(cache_dir / kind))}")
        for path in unfinished:
            if _is_free(path.with_suffix(".lock")):
                yield note(
                    f"{path}, {spell_bytes(_size(path))}: left unfinished; a run that needs it resumes it, else remove "
                    "the folder"
                )
    yield ok(f"{cache_dir}: {spell_bytes(_size(cache_dir))} in all")


def checkpoint_findings(workspace: Workspace, recorded: Sequence[Recorded] | None) -> Iterator[Finding]:
    """Find the checkpoints of unfinished runs, and those that no run needs.

    Args:
        workspace: where they are.
        recorded: the runs in the store, None where they are unknown.
    """
    folders = _folders(workspace.checkpoint_dir(""))
    if not folders:
        yield ok("none")
    # A reproduction always starts over.
    finished = {Path(run.lock).stem for _, _, run in recorded or () if run.status is Status.FINISHED}
    resumable = {Path(run.lock).stem for _, kind, run in recorded or () if kind in {RUN, TRIAL}} - finished
    for folder in folders:
        size = f"{folder}, {spell_bytes(_size(folder))}"
        command = "tune" if folder.name.startswith(f"{TRIAL}-") else "run"
        if not _is_free(workspace.lock(folder.name)):
            yield ok(f"{size}: a process is at work on this run")
        elif recorded is not None and folder.name not in resumable:
            yield note(
                f"{size}: of no unfinished run or trial in this store; remove the folder unless another store has it"
            )
        else:
            yield ok(f"{size}: `{command}` resumes after step {last_step(folder):,}")


def _is_free(lock: Path) -> bool:
    with hold_if_free(lock) as free:
        return free


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _size(folder: Path) -> int:
    """Return the bytes of all files in it; a run may remove some meanwhile."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    return size
