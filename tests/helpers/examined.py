"""What `doctor` checks, and what it must leave as it is."""

from pathlib import Path

import torch

from benchmark.plan.workspace import Workspace
from benchmark.training.checkpoint import Checkpoint, CheckpointFolder, PartialEpoch
from benchmark.training.epoch import EpochRecord

FINGERPRINT = "f" * 16


def save_checkpoints(workspace: Workspace, identity: str, *steps: int) -> Path:
    """Save checkpoints after these steps; return their folder."""
    folder = workspace.checkpoint_dir(identity)
    checkpoints = CheckpointFolder(folder, identity, {})
    for number, step in enumerate(steps, start=1):
        epochs = tuple(EpochRecord(epoch, 0.5, 0.5, 0.5, 1e-3, 1.0, 1.0) for epoch in range(1, number + 1))
        tensors = {"matrix": torch.ones(2, 3)}
        checkpoints.save(Checkpoint(epochs, PartialEpoch(), number, step, tensors, tensors, tensors, {}))
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the name, time of change and content of all files."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
