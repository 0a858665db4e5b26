"""Where runs keep their state, and what computes them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from benchmark.tracking.client import tracking_uri as located_uri
from benchmark.training.config import CheckpointInterval
from benchmark.training.device import DeviceSetting
from data_pipeline.sources import Place


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a run keeps its state and what computes it; none of it changes a result.

    Attributes:
        cache_dir: tokens, features, checkpoints and locks.
        data: folder or archive of the official reviews; None: they are downloaded when needed.
        data_dir: folder with the publishers' files of challenge sets; None: they are downloaded when needed.
    """

    tracking_uri: str
    cache_dir: Path
    device: DeviceSetting = "auto"
    data: Path | None = None
    interval: CheckpointInterval = field(default_factory=CheckpointInterval)
    data_dir: Path | None = None

    @classmethod
    def locate(
        cls,
        *,
        tracking_uri: str | None = None,
        cache_dir: str | Path | None = None,
        device: DeviceSetting = "auto",
        data: str | Path | None = None,
        interval: CheckpointInterval | None = None,
        data_dir: str | Path | None = None,
    ) -> Self:
        """Return the workspace: each place as given, else from its environment variable, else here."""
        place = Place.locate(data, cache_dir, data_dir)
        interval = interval or CheckpointInterval()
        return cls(located_uri(tracking_uri), place.cache_dir, device, place.data, interval, place.data_dir)

    @property
    def place(self) -> Place:
        """Where reviews are read from and cached."""
        return Place(self.data, self.cache_dir, self.data_dir)

    def checkpoint_dir(self, identity: str) -> Path:
        """Return where the run of this identity keeps the state of its training until it is finished."""
        return self.cache_dir / "checkpoints" / identity

    def drop_checkpoints(self, identity: str) -> None:
        """Remove the checkpoints of the run, if there are any."""
        shutil.rmtree(self.checkpoint_dir(identity), ignore_errors=True)

    @property
    def locks(self) -> Path:
        """Return the folder of the locks."""
        return self.cache_dir / "locks"

    def lock(self, name: str) -> Path:
        """Return the lock that a process holds while it works on a run, named by its identity, or on a plan."""
        return self.locks / f"{name}.lock"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the worker."""
        plain: dict[str, Any] = TypeAdapter(Workspace).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Workspace:
        """Return the workspace that `to_json` was called on."""
        return TypeAdapter(Workspace).validate_python(content)
