"""The learning rate as a pure function of the step: nothing to save, nothing to restore."""

import math

from benchmark.training.config import TrainingConfig


def learning_rate_factor(config: TrainingConfig, step: int, total_steps: int) -> float:
    """Multiple of the peak rate at optimizer step `step` (counted from 1) of `total_steps`.

    Rises linearly over the warm-up, then stays, falls linearly, or falls by a half cosine, to 0 at the end.
    """
    warmup = round(config.warmup_fraction * total_steps)
    if step <= warmup:
        return step / warmup
    progress = (step - warmup) / max(1, total_steps - warmup)
    if config.schedule == "linear":
        # The last step still moves: at exactly 0 it would be paid for and do nothing.
        return 1.0 - progress * (1.0 - 1.0 / (total_steps - warmup + 1))
    if config.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress * (1.0 - 1.0 / (total_steps - warmup + 1))))
    return 1.0
