"""The optimizer of every model, and its state as tensors by name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from benchmark.training.config import TrainingConfig
from models.classifier import Classifier


def make_optimizer(model: Classifier, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW over the model's groups; biases and norms (fewer than two dimensions) do not decay."""
    groups = []
    for group in model.parameter_groups():
        for decays in (True, False):
            parameters = [p for p in group.parameters if (p.dim() >= 2) == decays]
            if parameters:
                groups.append(
                    {
                        "params": parameters,
                        "weight_decay": config.weight_decay if decays else 0.0,
                        "learning_rate_scale": group.learning_rate_scale,
                    }
                )
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def flat_state(state: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """An optimizer's state as tensors by `<parameter>.<key>`, which safetensors can keep."""
    return {f"{number}.{key}": tensor for number, kept in state.items() for key, tensor in kept.items()}


def nested_state(flat: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """What `flat_state` was made of."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    return state
