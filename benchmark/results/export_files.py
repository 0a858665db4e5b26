"""Files of runs in folders that `export` wrote: tables that share the reviews' ids."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pandas as pd

from benchmark.tracking.challenges import info_file
from benchmark.tracking.client import TrackingError
from benchmark.tracking.records import PREDICTIONS_FILE, RunRecord

HISTORIES_FILE = "histories.json"  # of a run: {metric: {epoch: value}}
REVIEWS_FILE = "reviews.parquet"  # of the test part, in the order of each run's predictions

Histories = Mapping[str, Mapping[int, float]]


class ExportFiles:
    """Files of exported runs, as `StoreFiles` has those of the store.

    Args:
        folders: the export of each run, by its id.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders
        self._reviews = cache(pd.read_parquet)

    def path(self, run: RunRecord, name: str) -> Path:
        """Return the path of one file, whether it exists or not; runs share the description of a challenge set."""
        folder = self._folders[run.run_id]
        shared = name == info_file(Path(name).stem)
        return folder / name if shared else folder / "runs" / run.run_id / name

    def table(self, run: RunRecord, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Read these columns of a table of the run, None for all, as the store has it."""
        table = pd.read_parquet(self.path(run, name))
        if "id" not in table:  # version 1 repeats the reviews per run
            reviews = self._reviews(self._folders[run.run_id] / (REVIEWS_FILE if name == PREDICTIONS_FILE else name))
            table = pd.concat([reviews[["id", "label"]], table, reviews.drop(columns=["id", "label"])], axis=1)
        return table if columns is None else table[columns]

    def histories(self, run: RunRecord) -> Histories:
        """Return the values by epoch; raise TrackingError where the file is missing or damaged."""
        path = self.path(run, HISTORIES_FILE)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found = {key: {int(at): float(value) for at, value in values.items()} for key, values in content.items()}
            if not all(math.isfinite(value) for values in found.values() for value in values.values()):
                raise ValueError("no number")
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            raise TrackingError(f"{path}: missing or damaged; `python -m benchmark export DIR` writes it") from None
        return found


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as small as it gets: equal tables give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    floats = [name for name in table if table[name].dtype.kind == "f"]
    table.to_parquet(
        path,
        index=False,
        compression="zstd",
        use_dictionary=[name for name in table if name not in floats],
        use_byte_stream_split=floats,
    )
