"""How far a run is: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from benchmark.output import spell_seconds

LINE_SECONDS = 30.0  # between two plain lines of one phase: a log of an evening stays readable


class Progress(Protocol):
    """What the trainer tells while it works."""

    def start(self, phase: str, total: int) -> None:
        """A phase of `total` reviews begins."""

    def advance(self, reviews: int, note: str = "") -> None:
        """So many reviews more are done; `note` says how it goes."""

    def skip(self, reviews: int) -> None:
        """So many were done before an interruption: they tell nothing of how long the others take."""

    def finish(self) -> None:
        """The phase is over."""

    def say(self, text: str) -> None:
        """A line for the reader."""


class NullProgress:
    """Says nothing."""

    def start(self, phase: str, total: int) -> None:
        """See Progress."""

    def advance(self, reviews: int, note: str = "") -> None:
        """See Progress."""

    def skip(self, reviews: int) -> None:
        """See Progress."""

    def finish(self) -> None:
        """See Progress."""

    def say(self, text: str) -> None:
        """See Progress."""


class BarProgress:
    """A tqdm bar for each phase."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[Any] | None = None

    def start(self, phase: str, total: int) -> None:
        """See Progress."""
        self._bar = tqdm(
            total=total,
            desc=f"  {phase}",
            unit=" reviews",
            file=self._stream,
            leave=False,
            dynamic_ncols=True,
            smoothing=0.05,
        )

    def advance(self, reviews: int, note: str = "") -> None:
        """See Progress."""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(reviews)

    def skip(self, reviews: int) -> None:
        """See Progress."""
        if self._bar is not None:
            self._bar.initial += reviews
            self._bar.last_print_n += reviews
            self._bar.n += reviews

    def finish(self) -> None:
        """See Progress."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, text: str) -> None:
        """See Progress."""
        tqdm.write(f"  {text}", file=self._stream)


class LineProgress:
    """Plain lines: one when a phase has been going on for LINE_SECONDS, and so on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._phase, self._total, self._done, self._skipped = "", 0, 0, 0
        self._started = self._spoken = 0.0

    def start(self, phase: str, total: int) -> None:
        """See Progress."""
        self._phase, self._total, self._done, self._skipped = phase, total, 0, 0
        self._started = self._spoken = time.monotonic()

    def advance(self, reviews: int, note: str = "") -> None:
        """See Progress."""
        self._done += reviews
        now = time.monotonic()
        if now - self._spoken >= LINE_SECONDS:
            self._spoken = now
            left = (now - self._started) / (self._done - self._skipped) * (self._total - self._done)
            self.say(
                f"{self._phase}: {self._done} of {self._total} reviews, {spell_seconds(left)} left"
                f"{', ' + note if note else ''}"
            )

    def skip(self, reviews: int) -> None:
        """See Progress."""
        self._done += reviews
        self._skipped += reviews

    def finish(self) -> None:
        """See Progress."""

    def say(self, text: str) -> None:
        """See Progress."""
        print(f"  {text}", file=self._stream, flush=True)


def terminal_progress() -> Progress:
    """A bar where standard error is a terminal, else plain lines."""
    return BarProgress(sys.stderr) if sys.stderr.isatty() else LineProgress(sys.stderr)
