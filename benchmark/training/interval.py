"""How much work an interruption may cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Interval:
    """When unfinished work is written down: after so much time or so many steps, whichever comes first.

    Attributes:
        seconds: wall time; what an interruption can cost at most, beside the step at hand.
        steps: optimizer steps, or batches of an evaluation; None: by time alone.
    """

    seconds: float = 120.0
    steps: int | None = None

    def clock(self) -> Clock:
        """One that starts now."""
        return Clock(self)


@dataclass(slots=True)
class Clock:
    """Time and steps since work was last written down."""

    interval: Interval
    _since: float = field(default_factory=time.monotonic)
    _steps: int = 0

    def step(self) -> bool:
        """Count one step; True where it is time to write, and the count begins anew."""
        self._steps += 1
        due = time.monotonic() - self._since >= self.interval.seconds or self._steps == self.interval.steps
        if due:
            self.restart()
        return due

    def restart(self) -> None:
        """Work was written down now."""
        self._since, self._steps = time.monotonic(), 0
