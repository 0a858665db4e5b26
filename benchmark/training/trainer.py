"""The one training loop, for every model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.training.checkpoint import Checkpoint, CheckpointFolder, Unfinished
from benchmark.training.config import TrainingConfig
from benchmark.training.early_stopping import EarlyStopping
from benchmark.training.epoch import EpochRecord
from benchmark.training.evaluation import Evaluator, Predictions
from benchmark.training.interval import Interval
from benchmark.training.kept_logits import KeptLogits
from benchmark.training.optimizer import flat_state, make_optimizer, nested_state
from benchmark.training.progress import NullProgress, Progress
from benchmark.training.reproducibility import random_states, restore_random_states
from benchmark.training.schedule import learning_rate_factor
from data_pipeline.batch import Batch
from data_pipeline.pipeline import Part
from models.classifier import Classifier
from models.precision import Precision, autocast


class NonFiniteError(ArithmeticError):
    """The loss or a gradient is not a number; raised before the optimizer could spoil the weights."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A finished training: its epochs, and which of them the network now stands at."""

    epochs: tuple[EpochRecord, ...]
    best_epoch: int


class Trainer:
    """Trains a network on one part and chooses its epoch by another.

    Args:
        model: the network, already on `device`.
        config: settings.
        seed: decides the order of the reviews.
        device: where to compute.
        precision: of the matrix products.
        progress: is told how far it is.
    """

    def __init__(
        self,
        model: Classifier,
        config: TrainingConfig,
        *,
        seed: int,
        device: torch.device,
        precision: Precision,
        progress: Progress | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self.seed = seed
        self.device = device
        self.precision = precision
        self.progress = progress or NullProgress()
        self.optimizer = make_optimizer(model, config)
        # fp16 alone needs its gradients scaled; switched off, the scaler hands everything through.
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._step = 0
        self._epochs: list[EpochRecord] = []
        self._unfinished = Unfinished()
        self._stopping = EarlyStopping(config.patience)

    def fit(
        self,
        train: Part,
        val: Part,
        checkpoints: CheckpointFolder,
        on_epoch: Callable[[EpochRecord], None] = lambda _: None,
    ) -> Fit:
        """Train, validate each epoch, and leave the network at the epoch of lowest `val/loss`.

        Goes on after the newest checkpoint, if there is one, and ends as if it had never been interrupted: on a CPU
        with the same weights bit for bit.

        Args:
            train: what is learned from.
            val: what chooses the epoch.
            checkpoints: where the state is kept, after each epoch and in between.
            on_epoch: is given each epoch's record once the epoch is on disk; those of a checkpoint come first, again.

        Raises:
            NonFiniteError: a loss or gradient is not a number.
            CheckpointError: the newest checkpoint is of another run, version or machine.
        """
        self._go_on(checkpoints.load())
        for record in self._epochs:
            on_epoch(record)
        if self._step:
            self.progress.say(f"goes on after step {self._step} of at most {self._total_steps(len(train))}")
        self.progress.start("train", (self.config.epochs - len(self._epochs)) * (len(train) + len(val)))
        self.progress.skip(self._reviews_done(len(train)))
        while len(self._epochs) < self.config.epochs and not self._stopping.should_stop:
            record = self._epoch(train, val, checkpoints)
            best = self._stopping.update(record.epoch, record.val_loss)
            self._epochs.append(record)
            self._unfinished = Unfinished()
            checkpoints.save(self._checkpoint())
            on_epoch(record)
            self.progress.say(
                f"epoch {record.epoch}/{self.config.epochs}: train/loss {record.train_loss:.4f}, "
                f"val/loss {record.val_loss:.4f}, val/accuracy {100 * record.val_accuracy:.2f} %"
                f"{' (best so far)' if best else ''}"
            )
        self.progress.finish()
        self.model.load_trained_state(checkpoints.best_weights())
        return Fit(tuple(self._epochs), self._stopping.best_epoch)

    def predict(self, part: Part, kept: KeptLogits | None = None) -> Predictions:
        """Logits of all reviews of the part, dropout off; with `kept`, gone on with after an interruption."""
        reader = Evaluator(self.model, self.config.eval_batch_size, self.device, self.precision, self.progress)
        return reader.predict(part, kept or KeptLogits(None, Interval()))

    def _epoch(self, train: Part, val: Part, checkpoints: CheckpointFolder) -> EpochRecord:
        """What is left of a pass over the train part, and the validation after it."""
        epoch = len(self._epochs) + 1
        self._train_epoch(train, epoch, checkpoints)
        scores = self.predict(val, checkpoints.kept_logits(f"val-{epoch:04d}"))
        if not np.isfinite(scores.loss):
            raise NonFiniteError(f"val/loss is {scores.loss} after epoch {epoch}; lower training.learning_rate")
        return EpochRecord(
            epoch=epoch,
            train_loss=self._unfinished.loss / len(train),
            val_loss=scores.loss,
            val_accuracy=scores.accuracy,
            learning_rate=self._learning_rate(len(train)),
            train_seconds=self._unfinished.seconds,
            val_seconds=scores.seconds,
        )

    def _train_epoch(self, train: Part, epoch: int, checkpoints: CheckpointFolder) -> None:
        """What is left of one pass over the part; `_unfinished` says how it went."""
        self.model.train()
        done = self._unfinished
        batches = train.training_batches(
            self.config.batch_size,
            self.seed,
            epoch,
            length_grouping=self.config.length_grouping,
            skip=done.steps * self.config.accumulation_steps,
        )
        clock, started = checkpoints.interval.clock(), time.perf_counter()
        for group in _groups(batches, self.config.accumulation_steps):
            loss = self._train_step(group, len(train), epoch)
            reviews = sum(len(batch) for batch in group)
            self._unfinished = Unfinished(
                steps=self._unfinished.steps + 1,
                loss=self._unfinished.loss + loss * reviews,
                seconds=done.seconds + time.perf_counter() - started,
            )
            self.progress.advance(reviews, f"epoch {epoch}/{self.config.epochs}, loss {loss:.3f}")
            if clock.step():
                checkpoints.save(self._checkpoint())

    def _reviews_done(self, reviews_per_epoch: int) -> int:
        """Of the epoch at hand."""
        done = self._unfinished.steps * self.config.accumulation_steps * self.config.batch_size
        return min(reviews_per_epoch, done)

    def _checkpoint(self) -> Checkpoint:
        """All that the next step depends on."""
        tensors, values = random_states(self.device)
        return Checkpoint(
            epochs=tuple(self._epochs),
            unfinished=self._unfinished,
            best_epoch=self._stopping.best_epoch,
            step=self._step,
            model=self.model.trained_state(),
            optimizer=flat_state(self.optimizer.state_dict()["state"]),
            random=tensors,
            values={"random": values, "scaler": self._scaler.state_dict()},
        )

    def _go_on(self, checkpoint: Checkpoint | None) -> None:
        """Put everything to where the checkpoint was written, or to the beginning."""
        self._epochs, self._unfinished, self._stopping = [], Unfinished(), EarlyStopping(self.config.patience)
        if checkpoint is None:
            return
        self._epochs, self._unfinished = list(checkpoint.epochs), checkpoint.unfinished
        for record in self._epochs:
            self._stopping.update(record.epoch, record.val_loss)
        self._step = checkpoint.step
        self.model.load_trained_state(checkpoint.model)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": nested_state(checkpoint.optimizer), "param_groups": groups})
        self._scaler.load_state_dict(checkpoint.values["scaler"])
        restore_random_states(self.device, checkpoint.random, checkpoint.values["random"])

    def _train_step(self, group: list[Batch], reviews_per_epoch: int, epoch: int) -> float:
        """One optimizer step over the group's reviews; their mean loss."""
        self._step += 1
        rate = self._learning_rate(reviews_per_epoch)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate * parameters["learning_rate_scale"]
        reviews = sum(len(batch) for batch in group)
        loss = torch.zeros((), device=self.device)
        for batch in group:
            moved = batch.to(self.device)
            with autocast(self.precision, self.device):
                logits = self.model(moved)
            part_loss = F.cross_entropy(logits.float(), moved.labels, reduction="sum") / reviews
            self._scaler.scale(part_loss).backward()  # type: ignore[no-untyped-call]
            loss += part_loss.detach()
        self._scaler.unscale_(self.optimizer)
        self._refuse_non_finite(float(loss), epoch)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss)

    def _refuse_non_finite(self, loss: float, epoch: int) -> None:
        """Clip the gradients; raise when they or the loss are not finite."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        limit = self.config.max_grad_norm
        norm = float(nn.utils.clip_grad_norm_(parameters, limit if limit is not None else float("inf")))
        # A scaler looks for overflow by itself and skips that one step; a NaN loss is an error even so.
        if not np.isfinite(loss) or not (np.isfinite(norm) or self._scaler.is_enabled()):
            raise NonFiniteError(
                f"epoch {epoch}, step {self._step}: loss {loss}, gradient norm {norm}; nothing was updated. "
                f"Lower training.learning_rate (now {self.config.learning_rate:g}), set training.max_grad_norm, "
                "or use training.precision=fp32"
            )

    def _total_steps(self, reviews_per_epoch: int) -> int:
        batches = -(-reviews_per_epoch // self.config.batch_size)
        return self.config.epochs * -(-batches // self.config.accumulation_steps)

    def _learning_rate(self, reviews_per_epoch: int) -> float:
        """Of the step at hand, without a group's own multiple."""
        factor = learning_rate_factor(self.config, self._step, self._total_steps(reviews_per_epoch))
        return self.config.learning_rate * factor


def _groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Lists of `size` batches; the last may be shorter."""
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """All parameters and the trainable ones."""
    parameters: list[Tensor] = list(model.parameters())
    return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
