import math
from itertools import pairwise

import pytest

from benchmark.training.config import TrainingConfig
from benchmark.training.optimizer import learning_rate_factor


def factors(schedule: str, warmup: float, total: int) -> list[float]:
    config = TrainingConfig(schedule=schedule, warmup_fraction=warmup)
    return [learning_rate_factor(config, step, total) for step in range(1, total + 1)]


@pytest.mark.parametrize(
    ("schedule", "falls"),
    [
        ("constant", [1.0] * 5),
        ("linear", [1.0, 4 / 5, 3 / 5, 2 / 5, 1 / 5]),
        ("cosine", [0.5 * (1 + math.cos(math.pi * step / 5)) for step in range(5)]),
    ],
)
def test_rate_rises_in_equal_steps_and_falls_as_if_to_reach_zero_after_the_last(schedule, falls):
    assert factors(schedule, 0.2, 5) == pytest.approx(falls)
    assert factors(schedule, 0.4, 10)[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert factors(schedule, 0.0, 1000)[0] == pytest.approx(1.0, abs=2e-3)  # no warm-up


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("total", [1, 2, 3, 10, 997])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.999])
def test_every_step_has_a_rate_and_after_the_peak_each_has_a_lower_one(schedule, warmup, total):
    rates = factors(schedule, warmup, total)
    peak = rates.index(max(rates))

    assert all(0 < rate <= 1 for rate in rates)
    assert all(before < after for before, after in pairwise(rates[: peak + 1]))
    assert all(before > after for before, after in pairwise(rates[peak:]))
