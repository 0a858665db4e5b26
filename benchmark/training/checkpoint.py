"""A training on disk, as it stands: safetensors and JSON, checksummed, written whole or not at all, never pickle."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmark.training.epoch import EpochRecord
from benchmark.training.interval import Interval
from benchmark.training.kept_logits import KeptLogits
from data_pipeline.checksums import verify_checksums, write_checksums
from data_pipeline.errors import InputError
from models.classifier import apart

logger = logging.getLogger(__name__)

CHECKPOINT_VERSION = 2  # raise it when the files change their meaning; a checkpoint of another version is refused
KEPT = 2  # the newest, and the one before in case the newest is damaged

MODEL, BEST, OPTIMIZER, RANDOM = "model.safetensors", "best.safetensors", "optimizer.safetensors", "random.safetensors"
CONTENT = "checkpoint.json"


class CheckpointError(InputError):
    """A checkpoint that is missing, or of another run, version or machine."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The part that is done of an epoch that is not over.

    Attributes:
        steps: optimizer steps.
        loss: of all its reviews together, in nats.
        seconds: wall time.
    """

    steps: int = 0
    loss: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training after one of its steps.

    Attributes:
        epochs: all that are over.
        unfinished: what is done of the next one.
        best_epoch: the one of lowest `val/loss`; 0 before the first is over.
        step: optimizer steps so far.
        model: what training changes of the network, by name.
        optimizer: the optimizer's state, by `<parameter>.<key>`.
        random: random states that are tensors.
        values: the rest, JSON values: other random states, the gradient scaler.
    """

    epochs: tuple[EpochRecord, ...]
    unfinished: Unfinished
    best_epoch: int
    step: int
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    random: Mapping[str, Tensor]
    values: Mapping[str, Any]


class CheckpointFolder:
    """The last two checkpoints of one run, and the weights of its best epoch.

    Args:
        folder: the run's own; made when the first checkpoint is written.
        identity: of the run; a checkpoint of another run is refused.
        machine: what the results depend on besides; a checkpoint made under another is refused.
        interval: how often unfinished work is written.
    """

    def __init__(
        self, folder: Path, identity: str, machine: Mapping[str, str], interval: Interval | None = None
    ) -> None:
        self.interval = interval or Interval()
        self._folder = folder
        self._identity, self._machine = identity, dict(machine)
        self._started, self._seconds_before = time.perf_counter(), 0.0
        self._newest: Path | None = None

    @property
    def seconds(self) -> float:
        """Wall time that the run has taken so far, interruptions left out."""
        return self._seconds_before + time.perf_counter() - self._started

    def save(self, checkpoint: Checkpoint) -> None:
        """Write it beside the one before; what is older is removed.

        Nothing is flushed to the disk by force: after a power cut the checksums tell which checkpoint is whole.
        """
        target = self._folder / _name(checkpoint.step)
        partial = self._folder / f".{target.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            _save(partial / MODEL, checkpoint.model)
            _save(partial / OPTIMIZER, checkpoint.optimizer)
            _save(partial / RANDOM, checkpoint.random)
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
        """The newest checkpoint that is whole, or None; damaged ones are removed.

        Raises:
            CheckpointError: it is of another run or version, or was made under other conditions.
        """
        for path in checkpoint_paths(self._folder):
            try:
                content = read_content(path)
            except (OSError, ValueError) as damage:
                logger.warning("checkpoint %s is damaged (%s); the one before is taken", path, damage)
                shutil.rmtree(path, ignore_errors=True)
                self._forget_evaluations()
                continue
            self._refuse_another(path, content)
            self._newest, self._seconds_before = path, content["seconds"]
            return Checkpoint(
                epochs=tuple(EpochRecord(**epoch) for epoch in content["epochs"]),
                unfinished=Unfinished(**content["unfinished"]),
                best_epoch=content["best_epoch"],
                step=content["step"],
                model=load_file(path / MODEL),
                optimizer=load_file(path / OPTIMIZER),
                random=load_file(path / RANDOM),
                values=content["values"],
            )
        self._forget_evaluations()
        return None

    def best_weights(self) -> dict[str, Tensor]:
        """What training changed, as it was after the epoch of lowest `val/loss`.

        Raises:
            CheckpointError: nothing was saved, or it is not whole.
        """
        path = self._newest_folder() / BEST
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: not whole ({error}); run with --fresh to train again") from None

    def kept_logits(self, name: str) -> KeptLogits:
        """Where the evaluation of this name keeps what it has done."""
        return KeptLogits(self._folder / f"{name}.logits", self.interval)

    def clear(self) -> None:
        """Remove all of it: the run is over, or begins."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _forget_evaluations(self) -> None:
        """Where training goes back, its network may become another one, if only by a rounding."""
        for path in self._folder.glob("*.logits"):
            path.unlink()

    def _newest_folder(self) -> Path:
        if self._newest is None:
            raise CheckpointError(f"{self._folder}: no checkpoint; run with --fresh to train again")
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

    def _refuse_another(self, path: Path, content: Mapping[str, Any]) -> None:
        if content["version"] != CHECKPOINT_VERSION or content["identity"] != self._identity:
            raise CheckpointError(
                f"{path} belongs to run {content['identity']} (version {content['version']}), not to {self._identity} "
                f"(version {CHECKPOINT_VERSION}); run with --fresh to train again"
            )
        was = content["machine"]
        other = [f"{key} {was.get(key)} then, {now} now" for key, now in self._machine.items() if was.get(key) != now]
        if other:
            raise CheckpointError(
                f"this run was begun under other conditions ({'; '.join(other)}) and would not end as it should: "
                "go on where it was begun, or start over with --fresh"
            )


def checkpoint_paths(folder: Path) -> list[Path]:
    """The checkpoints of a run, newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def last_step(folder: Path) -> int:
    """The optimizer step after which a run can go on; 0: from the beginning."""
    return next((int(path.name.removeprefix("step-")) for path in checkpoint_paths(folder)), 0)


def _name(step: int) -> str:
    return f"step-{step:09d}"  # digits enough for any training, so that names sort


def read_content(path: Path) -> dict[str, Any]:
    """The JSON of a checkpoint whose files are those that were written.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: a file is damaged.
    """
    verify_checksums(path, needed=(MODEL, OPTIMIZER, RANDOM, CONTENT))
    content: dict[str, Any] = json.loads((path / CONTENT).read_text(encoding="utf-8"))
    return content


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file(apart(tensors), path)
