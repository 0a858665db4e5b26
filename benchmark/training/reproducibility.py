"""Random states: equal seeds give equal runs, also after an interruption."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Set every random state a run uses, and ask for deterministic kernels, in which denormal numbers are zero.

    On a CPU two runs are then equal bit for bit. On CUDA torch still warns where it has no deterministic kernel.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    # use_deterministic_algorithms(True, warn_only=True) by its other name, which does not load torch's compiler: 2.9 s.
    torch.set_deterministic_debug_mode("warn")
    # Deterministic mode would also fill every new tensor with NaN, which only costs time: none is read unwritten.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Where only the last state is pooled, gradients fade until they are denormal, below 1e-38, which the processor
    # computes slowly: with denormals an LSTM's backward pass takes four times as long.
    torch.set_flush_denormal(True)


def random_states(device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return all random states that `seed_everything` sets: torch's as tensors, Python's and numpy's as JSON values."""
    tensors = {"torch": torch.get_rng_state()}
    if device.type != "cpu":
        tensors["device"] = torch.get_device_module(device).get_rng_state()
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    return tensors, {
        "python": [version, list(numbers), gauss],
        "numpy": [name, np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
    }


def restore_random_states(device: torch.device, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Restore what `random_states` returned."""
    torch.set_rng_state(tensors["torch"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(tensors["device"])
    version, numbers, gauss = values["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = values["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
