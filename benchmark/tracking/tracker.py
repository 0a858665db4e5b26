"""What a run tells while it goes; knows no MLflow, so that the loop has no `if`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmark.tracking.records import DatasetRecord, Status


class Tracker(Protocol):
    """One run's log, from RUNNING to its end.

    Attributes:
        seconds: wall time that logging has taken so far.
    """

    seconds: float

    def set_tags(self, values: Mapping[str, str]) -> None:
        """Facts about the run."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Settings, nested mappings flattened with dots."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Values at a step, in one request."""

    def log_datasets(self, datasets: Sequence[DatasetRecord]) -> None:
        """What the run reads."""

    def log_artifacts(self, folder: Path) -> None:
        """All files of a folder."""

    def log_model(self, bundle: Path, name: str, step: int = 0) -> None:
        """The network that can be used: what bundle.py wrote, under this name, as it stood after this epoch.

        Metrics logged afterwards are the model's as well as the run's.
        """

    def finish(self, status: Status, error: str = "") -> None:
        """The last write of a run."""


class NullTracker:
    """Keeps nothing; the loop needs no `if`."""

    seconds = 0.0

    def set_tags(self, values: Mapping[str, str]) -> None:
        """See Tracker."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """See Tracker."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """See Tracker."""

    def log_datasets(self, datasets: Sequence[DatasetRecord]) -> None:
        """See Tracker."""

    def log_artifacts(self, folder: Path) -> None:
        """See Tracker."""

    def log_model(self, bundle: Path, name: str, step: int = 0) -> None:
        """See Tracker."""

    def finish(self, status: Status, error: str = "") -> None:
        """See Tracker."""
