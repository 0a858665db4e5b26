"""What other programs take of the processors, by times that a test makes up."""

from types import SimpleNamespace

import psutil
import pytest

from benchmark.training import load
from benchmark.training.load import Load, taken_now


@pytest.fixture
def machine(monkeypatch):
    """Four processors; `machine(wall, busy, own)` lets so many seconds go by, of the clock and of each processor."""
    now = [0.0, 0.0, 0.0]

    class Times(SimpleNamespace):
        def _asdict(self):
            return vars(self)

    def pass_by(*seconds: float) -> None:
        now[:] = [then + more for then, more in zip(now, seconds, strict=True)]

    def own(_self):
        return SimpleNamespace(user=now[2], system=0.0)

    monkeypatch.setattr(load.os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(load.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(load.time, "sleep", lambda seconds: pass_by(seconds, seconds, 0))
    monkeypatch.setattr(psutil.Process, "cpu_times", own)
    # A fifth is another program's alone, and none of the four.
    every = lambda percpu: [Times(user=now[1], idle=99.0, guest=now[1])] * 4 + [Times(user=10 * now[1])]  # noqa: E731
    monkeypatch.setattr(psutil, "cpu_times", every)
    return pass_by


@pytest.mark.parametrize(
    ("busy", "own", "threads", "taken"),
    [
        (0.0, 0.0, 4, 0.0),
        (10.0, 40.0, 4, 0.0),  # all of it is ours
        (10.0, 20.0, 4, 0.5),  # two processors of the four were others'
        (10.0, 20.0, 2, 0.0),  # and two were left, as many as wanted
        (10.0, 20.0, 3, 1 / 3),
        (10.0, 0.0, 4, 1.0),
        (1.0, 5.0, 4, 0.0),  # our times are counted a little later
    ],
)
def test_the_share_that_is_missing_of_the_processors_that_are_wanted(machine, busy, own, threads, taken):
    watched = Load()
    machine(10.0, busy, own)

    assert watched.taken(threads) == pytest.approx(taken)


def test_where_the_system_lists_fewer_processors_all_that_it_lists_count(machine, monkeypatch):
    monkeypatch.setattr(load.os, "sched_getaffinity", lambda _: {32, 33})
    watched = Load()
    machine(10.0, 1.0, 10.0)  # 4 x 1 s and 10 s of five processors

    assert watched.taken(5) == pytest.approx(0.4 / 5)


@pytest.mark.usefixtures("machine")
def test_the_share_at_this_moment():
    assert taken_now(4) == pytest.approx(1.0)


def test_a_real_machine_has_a_share():
    assert 0.0 <= taken_now(1, seconds=0.0) <= 1.0
