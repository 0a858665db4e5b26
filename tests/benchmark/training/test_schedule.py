import math
from itertools import pairwise

import pytest

from benchmark.training.config import TrainingConfig
from benchmark.training.schedule import learning_rate_factor

SCHEDULES = ["constant", "linear", "cosine"]


def factors(schedule: str, warmup: float, total: int) -> list[float]:
    config = TrainingConfig(schedule=schedule, warmup_fraction=warmup)
    return [learning_rate_factor(config, step, total) for step in range(1, total + 1)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_rises_in_equal_steps_to_its_peak(schedule):
    assert factors(schedule, 0.4, 10)[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0] * 5),
        ("linear", [1.0, 4 / 5, 3 / 5, 2 / 5, 1 / 5]),
        ("cosine", [0.5 * (1 + math.cos(math.pi * step / 5)) for step in range(5)]),
    ],
)
def test_after_the_peak_it_falls_as_if_to_reach_zero_one_step_after_the_last(schedule, expected):
    assert factors(schedule, 0.2, 5) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("total", [1, 2, 3, 10, 997])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.999])
def test_every_step_moves_and_after_the_peak_each_moves_less(schedule, warmup, total):
    rates = factors(schedule, warmup, total)
    peak = rates.index(max(rates))

    assert all(0 < rate <= 1 for rate in rates)
    assert all(before < after for before, after in pairwise(rates[: peak + 1]))
    assert all(before > after for before, after in pairwise(rates[peak:]))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_warm_up_the_first_step_is_near_the_peak(schedule):
    assert factors(schedule, 0.0, 1000)[0] == pytest.approx(1.0, abs=2e-3)
