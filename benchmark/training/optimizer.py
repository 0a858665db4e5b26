"""The optimizer of every model: its groups and state, and the schedule; `Trainer._train_step` applies the rate."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from benchmark.training.config import TrainingConfig
from models.classifier import Classifier


def make_optimizer(model: Classifier, config: TrainingConfig) -> torch.optim.AdamW:
    """Return AdamW over the model's groups; biases and norms (fewer than two dimensions) do not decay."""
    groups = []
    for group in model.parameter_groups():
        for decays in (True, False):
            if parameters := [p for p in group.parameters if (p.dim() >= 2) == decays]:
                decay, scale = config.weight_decay if decays else 0.0, group.learning_rate_scale
                groups.append({"params": parameters, "weight_decay": decay, "learning_rate_scale": scale})
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def learning_rate_factor(config: TrainingConfig, step: int, total_steps: int) -> float:
    """Return the multiple of the peak rate at optimizer step `step` (counted from 1) of `total_steps`.

    Rises linearly over the warm-up; then stays, or falls linearly or by a half cosine as if to reach 0 one step after
    the last: at exactly 0 the last step would cost time and do nothing.
    """
    warmup = round(config.warmup_fraction * total_steps)
    if step <= warmup:
        return step / warmup
    progress = (step - warmup) / max(1, total_steps - warmup)
    if config.schedule == "linear":
        return 1.0 - progress * (1.0 - 1.0 / (total_steps - warmup + 1))
    if config.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress * (1.0 - 1.0 / (total_steps - warmup + 1))))
    return 1.0


def flat_state(state: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return an optimizer's state as tensors by `<parameter>.<key>`, which safetensors can save."""
    return {f"{number}.{key}": tensor for number, values in state.items() for key, tensor in values.items()}


def nested_state(flat: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Return the state of which `flat_state` made `flat`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    return state
