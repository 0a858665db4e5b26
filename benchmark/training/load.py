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
        return min(1.0, max(0.0, threads + others - len(_processors())) / threads)


def taken_now(threads: int, seconds: float = 0.5) -> float:
    """Return what other programs take at this moment; see `Load.taken`."""
    load = Load()
    time.sleep(seconds)
    return load.taken(threads)


def _now() -> tuple[float, float, float]:
    """Return seconds: the clock, the processors' while they were not idle, and this process's own."""
    every = psutil.cpu_times(percpu=True)
    busy = sum(value for number in _processors() for name, value in every[number]._asdict().items() if name not in IDLE)
    own = psutil.Process().cpu_times()
    return time.monotonic(), busy, own.user + own.system


def _processors() -> set[int]:
    """Return the numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return os.sched_getaffinity(0)
    return set(range(psutil.cpu_count() or 1))
