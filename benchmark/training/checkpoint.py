"""Checkpoints of a training: safetensors and JSON with checksums, written whole or not at all, never pickle."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save, save_file
from torch import Tensor

from benchmark.training.config import CheckpointInterval
from benchmark.training.epoch import EpochRecord
from data_pipeline.errors import InputError
from data_pipeline.files import verify_checksums, write_checksums
from models.classifier import unshare_memory

logger = logging.getLogger(__name__)

CHECKPOINT_VERSION = 2  # raise it when the files change their meaning; a checkpoint of another version is refused
KEPT = 2  # the newest, and the one before in case the newest is damaged

MODEL, BEST, OPTIMIZER, RANDOM = "model.safetensors", "best.safetensors", "optimizer.safetensors", "random.safetensors"
CONTENT = "checkpoint.json"
SECONDS = "seconds"  # name of the tensor beside an evaluation's logits
HASH_BYTES = hashlib.sha256().digest_size


class CheckpointError(InputError):
    """A checkpoint that is missing, or of another run, version or machine."""


@dataclass(frozen=True, slots=True)
class PartialEpoch:
    """The finished steps of an epoch; `loss` is the sum over their reviews, in nats."""

    steps: int = 0
    loss: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training after one of its steps."""

    epochs: tuple[EpochRecord, ...]
    unfinished: PartialEpoch
    best_epoch: int  # 0 before the first is finished
    step: int
    model: Mapping[str, Tensor]  # what training changes, by name
    optimizer: Mapping[str, Tensor]  # by `<parameter>.<key>`
    random: Mapping[str, Tensor]
    values: Mapping[str, Any]  # JSON values: random states that are no tensors, the gradient scaler


class Clock:
    """Time and steps since work was last saved."""

    def __init__(self, interval: CheckpointInterval) -> None:
        self._interval = interval
        self._saved, self._steps = time.monotonic(), 0

    def step(self) -> bool:
        """Count one step; return whether it is time to save."""
        self._steps += 1
        due = time.monotonic() - self._saved >= self._interval.seconds or self._steps == self._interval.steps
        if due:
            self._saved, self._steps = time.monotonic(), 0
        return due


class CheckpointFolder:
    """The last two checkpoints of one run, and the weights of its best epoch.

    Args:
        folder: for this run alone; made with the first checkpoint.
        identity: of the run; a checkpoint of another run is refused.
        machine: conditions that change results; a checkpoint made under others is refused.
        interval: how often unfinished work is saved.
    """

    def __init__(
        self, folder: Path, identity: str, machine: Mapping[str, str], interval: CheckpointInterval | None = None
    ) -> None:
        self.interval = interval or CheckpointInterval()
        self._folder = folder
        self._identity, self._machine = identity, dict(machine)
        self._started, self._seconds_before = time.perf_counter(), 0.0
        self._newest: Path | None = None

    @property
    def seconds(self) -> float:
        """Wall time that the run has taken so far, without interruptions."""
        return self._seconds_before + time.perf_counter() - self._started

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and remove all but the one before.

        The disk is not flushed: after a power cut the checksums show which checkpoint is whole.
        """
        target = self._folder / f"step-{checkpoint.step:09d}"  # digits enough for any training, so that names sort
        partial = self._folder / f".{target.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            save_file(unshare_memory(checkpoint.model), partial / MODEL)
            save_file(unshare_memory(checkpoint.optimizer), partial / OPTIMIZER)
            save_file(unshare_memory(checkpoint.random), partial / RANDOM)
            # A copy, though a link would do: one damaged file must not spoil two checkpoints.
            if checkpoint.best_epoch:
                is_best = checkpoint.best_epoch == len(checkpoint.epochs) and not checkpoint.unfinished.steps
                shutil.copyfile(partial / MODEL if is_best else self._newest_folder() / BEST, partial / BEST)
            (partial / CONTENT).write_text(json.dumps(self._content(checkpoint)), encoding="utf-8")
            write_checksums(partial)
            shutil.rmtree(target, ignore_errors=True)
            partial.replace(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._newest = target
        for old in checkpoint_paths(self._folder)[KEPT:]:
            shutil.rmtree(old)

    def load(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, or None; remove damaged ones.

        Raises:
            CheckpointError: it is of another run or version, or was made under other conditions.
        """
        for path in checkpoint_paths(self._folder):
            try:
                content = read_content(path)
            except (OSError, ValueError) as damage:
                logger.warning("checkpoint %s is damaged (%s); resuming from the one before", path, damage)
                shutil.rmtree(path, ignore_errors=True)
                self._remove_evaluations()
                continue
            self._refuse_other_run(path, content)
            self._newest, self._seconds_before = path, content["seconds"]
            return Checkpoint(
                epochs=tuple(EpochRecord(**epoch) for epoch in content["epochs"]),
                unfinished=PartialEpoch(**content["unfinished"]),
                best_epoch=content["best_epoch"],
                step=content["step"],
                model=load_file(path / MODEL),
                optimizer=load_file(path / OPTIMIZER),
                random=load_file(path / RANDOM),
                values=content["values"],
            )
        self._remove_evaluations()
        return None

    def best_weights(self) -> dict[str, Tensor]:
        """Return the trained tensors after the epoch of lowest `val/loss`.

        Raises:
            CheckpointError: no checkpoint was saved, or its best weights are not whole.
        """
        path = self._newest_folder() / BEST
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: not whole ({error}). Train again with `--fresh`.") from None

    def saved_logits(self, name: str) -> SavedLogits:
        """Return the file of the evaluation of this name."""
        return SavedLogits(self._folder / f"{name}.logits", self.interval)

    def _remove_evaluations(self) -> None:
        # Training that goes back to an earlier step may end in another network, if only by a rounding.
        for path in self._folder.glob("*.logits"):
            path.unlink()

    def _newest_folder(self) -> Path:
        if self._newest is None:
            raise CheckpointError(f"{self._folder}: no checkpoint. Train again with `--fresh`.")
        return self._newest

    def _content(self, checkpoint: Checkpoint) -> dict[str, Any]:
        return {
            "version": CHECKPOINT_VERSION,
            "identity": self._identity,
            "machine": self._machine,
            "seconds": self.seconds,
            "epochs": [asdict(epoch) for epoch in checkpoint.epochs],
            "unfinished": asdict(checkpoint.unfinished),
            "best_epoch": checkpoint.best_epoch,
            "step": checkpoint.step,
            "values": checkpoint.values,
        }

    def _refuse_other_run(self, path: Path, content: Mapping[str, Any]) -> None:
        if content["version"] != CHECKPOINT_VERSION or content["identity"] != self._identity:
            raise CheckpointError(
                f"{path}: a checkpoint of another run (got {content['identity']}, version {content['version']}, "
                f"expected {self._identity}, version {CHECKPOINT_VERSION}). Train again with `--fresh`."
            )
        was = content["machine"]
        other = [f"{key} {was.get(key)}, now {now}" for key, now in self._machine.items() if was.get(key) != now]
        if other:
            raise CheckpointError(
                f"this run began under other conditions, which change its result ({'; '.join(other)}). "
                "Resume it there, or start again with `--fresh`."
            )


class SavedLogits:
    """The file of an unfinished evaluation of B reviews per batch: the sha256 of what follows, then safetensors."""

    def __init__(self, path: Path, interval: CheckpointInterval) -> None:
        self._path = path
        self._clock = Clock(interval)

    def load(self) -> tuple[list[Tensor], float]:
        """Return the (B, C) float32 logits of the first batches and their seconds; none where the file is damaged."""
        if not self._path.exists():
            return [], 0.0
        content = self._path.read_bytes()
        if hashlib.sha256(content[HASH_BYTES:]).digest() != content[:HASH_BYTES]:
            logger.warning("%s is damaged; evaluating its reviews again", self._path)
            return [], 0.0
        tensors = load(content[HASH_BYTES:])
        seconds = float(tensors.pop(SECONDS))
        return [tensors[name] for name in sorted(tensors)], seconds

    def save_if_due(self, outputs: Sequence[Tensor], seconds: float) -> None:
        """Count a batch, and write the logits of all batches where it is time."""
        if not self._clock.step():
            return
        named = {f"{number:08d}": logits for number, logits in enumerate(outputs)}
        content = save({**named, SECONDS: torch.tensor(seconds, dtype=torch.float64)})
        partial = self._path.with_name(f"{self._path.name}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        partial.replace(self._path)


def checkpoint_paths(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def last_step(folder: Path) -> int:
    """Return the optimizer step from which a run can resume; 0: from the beginning."""
    return next((int(path.name.removeprefix("step-")) for path in checkpoint_paths(folder)), 0)


def read_content(path: Path) -> dict[str, Any]:
    """Return the JSON of a checkpoint whose files match their checksums.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: a file is damaged.
    """
    verify_checksums(path, needed=(MODEL, OPTIMIZER, RANDOM, CONTENT))
    content: dict[str, Any] = json.loads((path / CONTENT).read_text(encoding="utf-8"))
    return content
