"""Report how far a run is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

from typing import Any, TextIO

from tqdm import tqdm

from data_pipeline.errors import one_line

LINE_SECONDS = 30.0  # between two lines of a log, so that the log of an evening stays readable
LINE = "{desc}: {n_fmt} of {total_fmt} reviews, {remaining} left{postfix}"


class Progress:
    """Progress of one phase after the other, on a stream; without a stream nothing is reported."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self._bar: tqdm[Any] | None = None

    def start(self, phase: str, total: int) -> None:
        """Begin a phase of `total` reviews."""
        if self.stream is None:
            return
        if self.stream.isatty():
            style: dict[str, Any] = {"file": self.stream, "desc": f"  {phase}", "dynamic_ncols": True}
        else:
            style = {"file": _Lines(self.stream), "desc": phase, "bar_format": LINE}
            style |= {"mininterval": LINE_SECONDS, "delay": LINE_SECONDS, "miniters": 1}
        self._bar = tqdm(total=total, unit=" reviews", leave=False, smoothing=0.05, **style)

    def advance(self, reviews: int, note: str = "") -> None:
        """Count so many reviews as done; `note` says how it goes."""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(reviews)

    def skip(self, reviews: int) -> None:
        """Count reviews that were done before an interruption, which say nothing of the speed."""
        if self._bar is not None:
            self._bar.initial += reviews
            self._bar.last_print_n += reviews
            self._bar.n += reviews

    def finish(self) -> None:
        """End the phase."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, text: str) -> None:
        """Print a line for the reader."""
        if self.stream is not None:
            tqdm.write(f"  {one_line(text)}", file=self.stream)
            self.stream.flush()


class _Lines:
    """A log as tqdm's file: each bar becomes a line, and what would wipe a bar is left out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if text.strip():
            self._stream.write(f"  {text.strip()}\n")

    def flush(self) -> None:
        self._stream.flush()
