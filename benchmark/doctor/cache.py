"""The cache: entries that are damaged or were left unfinished, checkpoints that nobody needs, and what each takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from benchmark.doctor.finding import Finding, note, ok, problem
from benchmark.doctor.store import Recorded
from benchmark.output import spell_bytes
from benchmark.plan.workspace import Workspace
from benchmark.tracking.lock import hold_if_free
from benchmark.tracking.records import RUN, TRIAL, Status
from benchmark.training import checkpoint
from data_pipeline.aclimdb import parsed_reviews
from data_pipeline.cache import DAMAGE, UNFINISHED, checked_entry
from data_pipeline.feature_cache import open_features
from data_pipeline.pipeline import VOCABULARY_FILE
from data_pipeline.token_store import open_tokens
from data_pipeline.tokenization import WordTokenizer

# Each kind of entry, opened as a run opens it; how many reviews it should be of only the run knows.
KINDS: dict[str, Callable[[Path], object]] = {
    "tokens": open_tokens,
    "features": open_features,
    "corpora": parsed_reviews,
    "vocabularies": lambda entry: WordTokenizer.load(entry / VOCABULARY_FILE),
}


def entry_findings(cache_dir: Path) -> Iterator[Finding]:
    """The entries of each kind."""
    if not cache_dir.is_dir():
        yield note(f"there is no {cache_dir} yet; `run` makes it")
        return
    for kind, open_entry in KINDS.items():
        yield _kind_finding(cache_dir / kind, open_entry)
        yield from _unfinished_findings(cache_dir / kind)
    yield ok(f"{cache_dir}: {spell_bytes(_size(cache_dir))} in all")


def checkpoint_findings(workspace: Workspace, recorded: Sequence[Recorded] | None) -> Iterator[Finding]:
    """What is kept of each run that is not finished.

    Args:
        workspace: where it is kept.
        recorded: the runs in the store, None where nobody can tell.
    """
    folders = _folders(workspace.checkpoint_dir(""))
    if not folders:
        yield ok("none")
    for folder in folders:
        takes = f"{folder}, {spell_bytes(_size(folder))}"
        command = "tune" if folder.name.startswith(f"{TRIAL}-") else "run"
        if not _is_free(workspace.lock(folder.name)):
            yield ok(f"{takes}: a process is at work on this run")
        elif recorded is not None and folder.name not in _to_go_on_with(recorded):
            yield note(
                f"{takes}: of no unfinished run or trial in this store; remove the folder unless another store has it"
            )
        elif damaged := _damaged(checkpoint.checkpoint_paths(folder), checkpoint.read_content):
            yield problem(
                f"{takes}: {_told(damaged)}",
                f"`{command}` goes on after the one before, or begins anew; look after the disk",
            )
        else:
            yield ok(f"{takes}: `{command}` goes on after step {checkpoint.last_step(folder):,}")


def _kind_finding(folder: Path, open_entry: Callable[[Path], object]) -> Finding:
    entries = [path for path in _folders(folder) if path.suffix != UNFINISHED]
    text = f"{folder.name}: {len(entries)} entr{'y' if len(entries) == 1 else 'ies'}, {spell_bytes(_size(folder))}"
    damaged = _damaged(entries, lambda entry: checked_entry(entry, open_entry))
    if damaged:
        return problem(f"{text}; {_told(damaged)}", "the next run that needs it makes it again; look after the disk")
    return ok(text)


def _unfinished_findings(folder: Path) -> Iterator[Finding]:
    """Entries that a run was making when it was killed."""
    for path in _folders(folder):
        if path.suffix == UNFINISHED and _is_free(path.with_suffix(".lock")):
            yield note(
                f"{path}, {spell_bytes(_size(path))}: left unfinished; a run that needs it goes on with it or begins "
                "it anew, else remove the folder"
            )


def _to_go_on_with(recorded: Sequence[Recorded]) -> set[str]:
    """Identities of the runs and trials that are gone on with; a reproduction always begins anew."""
    finished = {each.identity for each in recorded if each.run.status is Status.FINISHED}
    return {each.identity for each in recorded if each.kind in {RUN, TRIAL}} - finished


def _damaged(paths: Sequence[Path], open_one: Callable[[Path], object]) -> dict[Path, str]:
    """Those that cannot be opened, each with the reason; what has gone meanwhile was no longer needed."""
    damaged = {}
    for path in paths:
        try:
            open_one(path)
        except DAMAGE as reason:
            if path.exists():
                damaged[path] = " ".join(str(reason).split())
    return damaged


def _told(damaged: dict[Path, str]) -> str:
    return ", ".join(f"{path} is damaged ({reason})" for path, reason in damaged.items())


def _is_free(lock: Path) -> bool:
    with hold_if_free(lock) as free:
        return free


def _folders(folder: Path) -> list[Path]:
    """The folders in it; none where it is not there."""
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _size(folder: Path) -> int:
    """Bytes of all files below it; runs may be at work there."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    return size
