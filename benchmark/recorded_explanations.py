"""Explanations in the tracking store and in an export: kept with the run that they are about."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from benchmark.records import EXPLANATIONS_FILE
from benchmark.review_explanation import Explanations
from benchmark.tracking.client import TrackingError

if TYPE_CHECKING:
    from benchmark.tracking.store import TrackingStore


def read_explanations(store: TrackingStore, run_id: str) -> Explanations:
    """What is kept with the run; nothing where there is no such file, or one of another version."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return explanations_in(store.artifact(run_id, EXPLANATIONS_FILE, Path(folder)).parent)
        except TrackingError:
            return Explanations()


def explanations_in(folder: Path) -> Explanations:
    """What the file in a run's folder of an export says; nothing likewise."""
    try:
        return Explanations.model_validate_json((folder / EXPLANATIONS_FILE).read_bytes())
    except (OSError, ValidationError):
        return Explanations()


def write_explanations(store: TrackingStore, run_id: str, explanations: Explanations) -> None:
    """Keep them with the run, in the place of those that it had; nothing else of it changes.

    Raises:
        TrackingError: the store does not take them.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / EXPLANATIONS_FILE).write_text(explanations.model_dump_json(), encoding="utf-8")
        store.reopen(run_id).log_artifacts(Path(folder))
