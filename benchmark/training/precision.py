"""Device and precision of a run: what is asked for, what the machine has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

from benchmark.training.config import PrecisionSetting
from data_pipeline.errors import InputError

Precision = Literal["fp32", "bf16", "fp16"]
DeviceSetting = Literal["auto", "cpu", "cuda", "mps"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class PrecisionError(InputError):
    """A device or precision that this machine does not have."""


def resolve_device(setting: DeviceSetting) -> torch.device:
    """The device asked for; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        PrecisionError: this machine has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if setting == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if not available[setting]:
        raise PrecisionError(f"--device {setting}: torch sees no such device here; use --device auto or cpu")
    return torch.device(setting)


def computes_in_bf16(device: torch.device) -> bool:
    """Whether matrix products in bf16 are done by the hardware; elsewhere they are emulated and slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # torch has no public question for this; the private ones have been the same since 2.4.
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def resolve_precision(setting: PrecisionSetting, device: torch.device) -> Precision:
    """The precision asked for; `auto` is bf16 where the hardware computes in it, else fp32.

    Raises:
        PrecisionError: fp16 without CUDA (its gradients need a scaler that only CUDA has).
    """
    if setting == "auto":
        return "bf16" if computes_in_bf16(device) else "fp32"
    if setting == "fp16" and device.type != "cuda":
        raise PrecisionError(f"training.precision: fp16 needs CUDA, this run is on {device.type}; use auto or fp32")
    return setting


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Matrix products in the precision; weights, sums and norms stay fp32."""
    return torch.autocast(device.type, dtype=_DTYPES[precision], enabled=precision != "fp32")
