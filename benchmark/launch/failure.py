"""An exception that ended a run or trial: said, and recorded with it."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.tracking.address import mask_secrets
from benchmark.tracking.client import TrackingError
from models.plugins import user_frames

if TYPE_CHECKING:
    from benchmark.tracking.mlflow_tracker import MlflowTracker

ERROR_FILE = "error.txt"
SHOWN = 3  # frames of the user's code


@dataclass(frozen=True, slots=True)
class Failure:
    """Plain words of an exception, whose frames need not be kept.

    Attributes:
        reason: type and message in one line.
        frames: of the user's own code, the innermost last.
        trace: the whole traceback.
    """

    reason: str
    frames: tuple[str, ...]
    trace: str

    @classmethod
    def of(cls, error: Exception, uri: str) -> Failure:
        """Describe the exception without the secrets of the store's URI."""
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        frames = [mask_secrets(frame, uri) for frame in user_frames(error)[-SHOWN:]]
        trace = mask_secrets("".join(traceback.format_exception(error)), uri)
        return cls(mask_secrets(reason, uri), tuple(frames), trace)

    def record(self, tracker: MlflowTracker, say: Callable[[str], None]) -> None:
        """Log the traceback with the run; say where in the user's code it happened."""
        for frame in self.frames:
            say(frame)
        with suppress(OSError, TrackingError), tempfile.TemporaryDirectory() as folder:
            Path(folder, ERROR_FILE).write_text(self.trace, encoding="utf-8", errors="backslashreplace")
            tracker.log_artifacts(Path(folder))
            if self.frames:
                say(f"whole traceback: {ERROR_FILE} of MLflow run {tracker.run_id}, see `python -m benchmark ui`")
