"""The precision of matrix products: which ones the hardware computes in, and how torch is set to one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

Precision = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def computes_in_bf16(device: torch.device) -> bool:
    """Return whether the hardware multiplies matrices in bf16; elsewhere they are emulated and slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # torch has no public question for this; the private ones have been the same since 2.4.
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def available_precision(recorded: Precision, device: torch.device) -> Precision:
    """Return the precision that a network was trained in where this device computes in it, else fp32."""
    there = {"fp32": True, "bf16": computes_in_bf16(device), "fp16": device.type == "cuda"}
    return recorded if there[recorded] else "fp32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Compute matrix products in the precision; weights, sums and norms stay fp32."""
    return torch.autocast(device.type, dtype=_DTYPES[precision], enabled=precision != "fp32")
