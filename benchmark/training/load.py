"""How much of this machine other programs take, while something is measured."""

from __future__ import annotations

import os
import time

import psutil

IDLE = ("idle", "iowait", "guest", "guest_nice")  # of a processor's times; a guest's are in user's already


class Load:
    """What other programs take of the processors that this process may use, from now on."""

    def __init__(self) -> None:
        self._started = _now()

    def taken(self, threads: int) -> float:
        """Return the share of `threads` processors that was missing, since other programs used the rest of them."""
        wall, busy, own = (now - then for now, then in zip(_now(), self._started, strict=True))
        others = max(0.0, busy - own) / max(wall, 1e-9)
        return min(1.0, max(0.0, threads + others - len(_our_times())) / threads)


def taken_now(threads: int, seconds: float = 0.5) -> float:
    """Return what other programs take at this moment; see `Load.taken`."""
    load = Load()
    time.sleep(seconds)
    return load.taken(threads)


def _now() -> tuple[float, float, float]:
    """Return seconds: the clock, the processors' while they were not idle, and this process's own."""
    busy = sum(value for times in _our_times() for name, value in times.items() if name not in IDLE)
    own = psutil.Process().cpu_times()
    return time.monotonic(), busy, own.user + own.system


def _our_times() -> list[dict[str, float]]:
    """Return the times of each processor that this process may use."""
    every = [times._asdict() for times in psutil.cpu_times(percpu=True)]
    numbers = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()  # not on macOS
    # Where the system does not list all processors, as in some containers, their numbers say nothing.
    return [every[number] for number in numbers] if numbers and max(numbers) < len(every) else every
