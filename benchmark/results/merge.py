"""Merge the results of several exports of one profile: other models, seeds or train sizes, out of other stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from typing import NamedTuple

from benchmark.results.compare import different_result
from benchmark.results.export_files import ExportFiles
from benchmark.results.external import test_part
from benchmark.results.read import read_predictions, with_challenges
from benchmark.results.read_export import read_export
from benchmark.results.results import PlanResults, RecordedRun, ResultsError, join_runs
from benchmark.tracking.records import PlanEntry, PlanRecord, PlanRow, RunRecord, finished_runs

REVIEWS = ("corpus", "held_out_test", "val_size", "test_size")  # of a plan: what all rows share


class _Part(NamedTuple):
    folder: Path
    results: PlanResults
    files: ExportFiles

    @property
    def finished(self) -> list[RunRecord]:
        return finished_runs(self.results.plan, self.results.runs)

    def recorded(self, run: RunRecord) -> RecordedRun:
        return RecordedRun(run, predictions=read_predictions(self.files, run).set_index("id"))


def read_exports(folders: Sequence[Path]) -> tuple[PlanResults, ExportFiles]:
    """Read the results out of folders that `write_export` made, the rows of the first in front.

    Raises:
        ExportError: a folder is no export, or is damaged.
        ResultsError: the folders are of several profiles or test parts, one model has several settings, or one run has
            several results.
        TrackingError: predictions cannot be read.
    """
    parts = [_Part(folder, *read_export(folder)) for folder in folders]
    if len(parts) == 1:
        return parts[0].results, parts[0].files
    for part in parts[1:]:
        _refuse_other_reviews(parts[0], part)
    _refuse_other_results(parts)
    plan = reduce(_merged_plan, [part.results.plan for part in parts])
    runs = [run for part in parts for run in part.results.runs]
    speeds = {mark: speed for part in reversed(parts) for mark, speed in part.results.speeds.items()}
    files = ExportFiles({run.run_id: part.folder for part in reversed(parts) for run in part.finished})
    entry = PlanEntry("", " + ".join(dict.fromkeys(part.results.entry.name for part in parts)), plan.fingerprint)
    return with_challenges(join_runs(plan, runs, speeds, partial(read_predictions, files), entry), files), files


def _refuse_other_reviews(first: _Part, other: _Part) -> None:
    a, b = first.results, other.results
    for name in ("profile", *REVIEWS):
        if getattr(a.plan, name) != getattr(b.plan, name):
            found = f"got {getattr(b.plan, name)}, expected {getattr(a.plan, name)} as in {first.folder}"
            raise ResultsError(f"{other.folder}: has another {name} ({found}). Merge exports of one profile")
    if a.logits and b.logits and test_part(a.ids, a.labels) != test_part(b.ids, b.labels):
        raise ResultsError(f"{other.folder}: has another test part than {first.folder}. Report them one by one")


def _refuse_other_results(parts: Sequence[_Part]) -> None:
    """Raise ResultsError where a model has other settings in two exports, or a run other results."""
    rows: dict[object, tuple[PlanRow, Path]] = {}
    known: dict[tuple[str, int], tuple[_Part, RunRecord]] = {}
    for part in parts:
        for row in part.results.plan.rows:
            first, folder = rows.setdefault(_key(row), (row, part.folder))
            if first.fingerprint != row.fingerprint:
                what = f"{row.experiment} with train size {row.train_size:,}"
                raise ResultsError(
                    f"{part.folder}: {what} is not the same as in {folder} (got {row.fingerprint}, expected "
                    f"{first.fingerprint}). Report them one by one"
                )
        for run in part.finished:
            origin, same = known.setdefault((run.fingerprint, run.seed), (part, run))
            if origin is not part and (found := different_result(origin.recorded(same), part.recorded(run))):
                raise ResultsError(
                    f"{part.folder}: {run.name} has another result than in {origin.folder} ({found}). Export it again"
                )


def _merged_plan(a: PlanRecord, b: PlanRecord) -> PlanRecord:
    """Return a plan that wants what either wants; other systems stand last, below the largest train size."""
    rows: dict[object, PlanRow] = {}
    for plan in (a, b):
        for row in plan.rows:
            first = rows.get(_key(row), replace(row, seeds=()))
            rows[_key(row)] = replace(first, seeds=_joined(first.seeds, plan.seeds_of(row)))
    seeds = _joined(a.seeds, b.seeds)
    own = [replace(row, seeds=() if row.seeds == seeds else row.seeds) for row in rows.values() if not row.external]
    largest = max(own, key=lambda row: row.train_size)
    size, split = largest.train_size, largest.split_fingerprint
    others = [replace(row, train_size=size, split_fingerprint=split) for row in rows.values() if row.external]
    return replace(a, seeds=seeds, rows=(*own, *others), audit=tuple(dict.fromkeys((*a.audit, *b.audit))))


def _joined(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*a, *b)))


def _key(row: PlanRow) -> object:
    """Return what a row is known by: another system has no train size."""
    return row.experiment, None if row.external else row.train_size
