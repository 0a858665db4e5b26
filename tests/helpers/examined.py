"""What is looked at, damaged, and how it is reported."""

import os
from pathlib import Path

import torch

from benchmark.plan.workspace import Workspace
from benchmark.training.checkpoint import Checkpoint, CheckpointFolder, PartialEpoch
from benchmark.training.epoch import EpochRecord

FINGERPRINT = "f" * 16


def save_checkpoints(workspace: Workspace, identity: str, *steps: int) -> Path:
    """Checkpoints after these steps; their folder."""
    folder = workspace.checkpoint_dir(identity)
    kept = CheckpointFolder(folder, identity, {})
    for number, step in enumerate(steps, start=1):
        epochs = tuple(EpochRecord(epoch, 0.5, 0.5, 0.5, 1e-3, 1.0, 1.0) for epoch in range(1, number + 1))
        tensors = {"matrix": torch.ones(2, 3)}
        kept.save(Checkpoint(epochs, PartialEpoch(), number, step, tensors, tensors, tensors, {}))
    return folder


def spoil(folder: Path) -> None:
    """Cut every file in the folder in half."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)


def reported(findings) -> list[tuple[str, str]]:
    return [(str(finding.level), finding.text) for finding in findings]


def below(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Name, time of change and content of all files."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
