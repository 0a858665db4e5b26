"""Weights on disk: safetensors, written whole or not at all, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from data_pipeline.errors import InputError


class CheckpointError(InputError):
    """A checkpoint that is missing or damaged."""


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write the tensors to `path`; a reader sees the old file or the new one, nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, partial)
    partial.replace(path)


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of `path`, on the CPU.

    Raises:
        CheckpointError: there is no such file, or it is not whole.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({error}); run with --fresh to train again") from None
