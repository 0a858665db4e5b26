"""How a process computes once a run has been seeded."""

import torch

from benchmark.training.reproducibility import seed_everything


def test_numbers_too_small_for_full_speed_become_zero():
    tiny = torch.full((1000,), 1e-20)
    assert (tiny * tiny).count_nonzero() == 1000

    seed_everything(1)

    assert torch.get_deterministic_debug_mode() == 1  # warns
    assert (tiny * tiny).count_nonzero() == 0
