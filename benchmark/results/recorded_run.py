"""A run as the tracking store keeps it, read back whole: what a comparison looks at."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.output import flattened
from benchmark.tracking.client import TrackingError
from benchmark.tracking.records import ENVIRONMENT_FILE, PREDICTIONS_FILE, RunRecord

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.tracking.store import TrackingStore

_BY_EPOCH = ("train/", "val/")  # metrics of these names have a value for each epoch; the others have one


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run and what was logged with it.

    Attributes:
        record: name, status, settings, tags and the last value of each metric.
        histories: the values by epoch of the metrics that have them.
        environment: facts about the machine, nested ones joined with dots; None where there is no such file.
        predictions: one line a test review, by its id: the true label and the logits; None where there is no such file.
    """

    record: RunRecord
    histories: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    environment: Mapping[str, str] | None = None
    predictions: pd.DataFrame | None = None

    @property
    def epochs(self) -> int:
        """The last epoch of which anything is known."""
        return max((epoch for history in self.histories.values() for epoch in history), default=0)


def read_recorded_run(store: TrackingStore, record: RunRecord) -> RecordedRun:
    """Everything about a run of any status; a file that is missing or damaged is None."""
    keys = sorted(key for key in record.metrics if has_epochs(key))
    with tempfile.TemporaryDirectory() as folder:
        return RecordedRun(
            record,
            {key: store.history(record.run_id, key) for key in keys},
            read_environment(_artifact(store, record, ENVIRONMENT_FILE, Path(folder))),
            _read_predictions(_artifact(store, record, PREDICTIONS_FILE, Path(folder))),
        )


def has_epochs(key: str) -> bool:
    """Whether the metric of this name has a value for each epoch."""
    return key.startswith(_BY_EPOCH)


def _artifact(store: TrackingStore, record: RunRecord, name: str, folder: Path) -> Path | None:
    try:
        return store.artifact(record.run_id, name, folder)
    except TrackingError:
        return None  # a run that failed early has none; the comparison says so


def read_environment(path: Path | None) -> dict[str, str] | None:
    """Facts about the machine, nested ones joined with dots; None where there is no such file, or it is damaged."""
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict):
        return None
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in flattened(content)}


def _read_predictions(path: Path | None) -> pd.DataFrame | None:
    import pandas as pd

    if path is None:
        return None
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError):  # pyarrow's own errors are of these kinds
        return None
    logits = [name for name in table.columns if str(name).startswith("logit_")]
    if not logits or not {"id", "label"} <= set(table.columns):
        return None
    return table.set_index("id")[["label", *logits]]
