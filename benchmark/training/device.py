"""Device and precision of a run: the ones asked for, if this machine has them."""

from __future__ import annotations

from typing import Literal

import torch

from benchmark.training.config import PrecisionSetting
from data_pipeline.errors import InputError
from models.precision import Precision, computes_in_bf16

DeviceSetting = Literal["auto", "cpu", "cuda", "mps"]


class DeviceError(InputError):
    """A device or precision that this machine does not have."""


def resolve_device(setting: DeviceSetting) -> torch.device:
    """Return the device asked for; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        DeviceError: this machine has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if setting == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if setting not in available:
        raise DeviceError(f"device {setting!r}: is unknown (expected auto, {', '.join(available)})")
    if not available[setting]:
        raise DeviceError(f"--device {setting}: torch finds no such device here. Use `--device auto`.")
    return torch.device(setting)


def resolve_precision(setting: PrecisionSetting, device: torch.device) -> Precision:
    """Return the precision asked for; `auto` is bf16 where the hardware computes in it, else fp32.

    Raises:
        DeviceError: fp16 without CUDA (its gradients need a scaler that only CUDA has), or bf16 on a processor that
            does not compute in it (products are emulated there, and oneDNN has no LSTM at all).
    """
    if setting == "auto":
        return "bf16" if computes_in_bf16(device) else "fp32"
    if setting == "fp16" and device.type != "cuda":
        raise DeviceError(f"training.precision: fp16 needs CUDA (device {device.type}). Use `auto` or `fp32`.")
    if setting == "bf16" and device.type == "cpu" and not computes_in_bf16(device):
        raise DeviceError("training.precision: bf16 needs a processor with avx512_bf16 or AMX. Use `auto` or `fp32`.")
    return setting
