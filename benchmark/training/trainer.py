"""The one training loop, for every model.

C classes, N reviews in a part.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.training.checkpoint import Checkpoint, CheckpointFolder, Clock, PartialEpoch, SavedLogits
from benchmark.training.config import TrainingConfig
from benchmark.training.epoch import EpochRecord
from benchmark.training.optimizer import flat_state, learning_rate_factor, make_optimizer, nested_state
from benchmark.training.progress import Progress
from benchmark.training.reproducibility import random_states, restore_random_states
from benchmark.training.stability import chance_loss, unstable_epochs
from data_pipeline.batch import Batch, evaluation_order
from data_pipeline.pipeline import Part
from models.classifier import Classifier
from models.precision import Precision, autocast


class NonFiniteError(ArithmeticError):
    """The loss or a gradient is not a number; raised before the optimizer could spoil the weights."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A finished training: its epochs, the one whose weights the network now has, and those in which it came apart."""

    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    unstable: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Output of a network for a part's N reviews, in the part's order."""

    labels: np.ndarray  # (N,) int64, the truth
    logits: np.ndarray  # (N, C) float32
    loss: float  # mean cross-entropy in nats
    seconds: float  # of the forward passes

    @property
    def accuracy(self) -> float:
        """Share of reviews whose largest logit is the true label's, 0 to 1."""
        return float((self.logits.argmax(axis=1) == self.labels).mean())


class Trainer:
    """Train a network on one part and choose its epoch by another.

    Args:
        model: the network, already on `device`.
        seed: decides the order of the reviews.
        precision: of the matrix products.
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
        self.progress = progress or Progress()
        self.optimizer = make_optimizer(model, config)
        # fp16 alone needs its gradients scaled; switched off, the scaler hands everything through.
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._step = 0
        self._epochs: list[EpochRecord] = []
        self._unfinished = PartialEpoch()

    def fit(
        self,
        train: Part,
        val: Part,
        checkpoints: CheckpointFolder,
        on_epoch: Callable[[EpochRecord], None] = lambda _: None,
    ) -> Fit:
        """Train, validate each epoch, and leave the network at the epoch of lowest `val/loss`.

        Resumes from the newest checkpoint, if there is one, and ends as if it had never been interrupted: on a CPU
        with the same weights bit for bit.

        Args:
            train: reviews to learn from.
            val: reviews that choose the epoch.
            checkpoints: where the state is saved, after each epoch and in between.
            on_epoch: called with each epoch's record once the epoch is on disk; first with those of a checkpoint.

        Raises:
            NonFiniteError: a loss or gradient is not a number.
            CheckpointError: the newest checkpoint is of another run, version or machine.
        """
        self._resume(checkpoints.load())
        for record in self._epochs:
            on_epoch(record)
        if self._step:
            self.progress.say(f"resuming from step {self._step} of {self._total_steps(len(train))}")
        self.progress.start("train", (self.config.epochs - len(self._epochs)) * (len(train) + len(val)))
        steps_done = self._unfinished.steps * self.config.accumulation_steps
        self.progress.skip(min(len(train), steps_done * self.config.batch_size))
        while len(self._epochs) < self.config.epochs and not self._is_patience_over():
            record = self._epoch(train, val, checkpoints)
            self._epochs.append(record)
            self._unfinished = PartialEpoch()
            checkpoints.save(self._checkpoint())
            on_epoch(record)
            self.progress.say(
                f"epoch {record.epoch}/{self.config.epochs}: train/loss {record.train_loss:.4f}, "
                f"val/loss {record.val_loss:.4f}, val/accuracy {100 * record.val_accuracy:.2f} %"
                f"{' (best so far)' if self._best_epoch() == record.epoch else ''}"
            )
        self.progress.finish()
        self.model.load_trained_state(checkpoints.best_weights())
        unstable = unstable_epochs(self._epochs, chance_loss(train.labels))
        return Fit(tuple(self._epochs), self._best_epoch(), unstable)

    def predict(self, part: Part, saved: SavedLogits | None = None) -> Predictions:
        """Return the logits of all reviews of the part, dropout off; with `saved`, resumed after an interruption."""
        self.model.eval()
        order = list(evaluation_order(part.lengths, self.config.eval_batch_size))
        outputs, before = saved.load() if saved is not None else ([], 0.0)
        started = time.perf_counter()
        self.progress.skip(sum(map(len, order[: len(outputs)])))
        for positions in order[len(outputs) :]:
            with torch.inference_mode(), autocast(self.precision, self.device):
                outputs.append(self.model(part.batch(positions).to(self.device)).float().cpu())
            if saved is not None:
                saved.save_if_due(outputs, before + time.perf_counter() - started)
            self.progress.advance(len(positions))
        seconds = before + time.perf_counter() - started
        sorted_logits = torch.cat(outputs)
        logits = torch.empty_like(sorted_logits)
        logits[torch.from_numpy(np.concatenate(order))] = sorted_logits
        loss = float(F.cross_entropy(logits, torch.from_numpy(part.labels)))
        return Predictions(part.labels, logits.numpy(), loss, seconds)

    def _best_epoch(self) -> int:
        """Return the epoch of lowest `val/loss`, of equals the first; 0 before the first is finished."""
        return min(self._epochs, key=lambda record: record.val_loss).epoch if self._epochs else 0

    def _is_patience_over(self) -> bool:
        patience = self.config.patience
        return patience is not None and len(self._epochs) - self._best_epoch() >= patience

    def _epoch(self, train: Part, val: Part, checkpoints: CheckpointFolder) -> EpochRecord:
        """Train the rest of an epoch and validate it."""
        epoch = len(self._epochs) + 1
        self._train_epoch(train, epoch, checkpoints)
        scores = self.predict(val, checkpoints.saved_logits(f"val-{epoch:04d}"))
        if not np.isfinite(scores.loss):
            raise NonFiniteError(f"epoch {epoch}: val/loss is {scores.loss}. Lower `training.learning_rate`.")
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
        self.model.train()
        done = self._unfinished
        batches = train.training_batches(
            self.config.batch_size,
            self.seed,
            epoch,
            length_grouping=self.config.length_grouping,
            skip=done.steps * self.config.accumulation_steps,
        )
        clock, started = Clock(checkpoints.interval), time.perf_counter()
        while group := list(islice(batches, self.config.accumulation_steps)):
            loss = self._train_step(group, len(train), epoch)
            reviews = sum(len(batch) for batch in group)
            self._unfinished = PartialEpoch(
                steps=self._unfinished.steps + 1,
                loss=self._unfinished.loss + loss * reviews,
                seconds=done.seconds + time.perf_counter() - started,
            )
            self.progress.advance(reviews, f"epoch {epoch}/{self.config.epochs}, loss {loss:.3f}")
            if clock.step():
                checkpoints.save(self._checkpoint())

    def _checkpoint(self) -> Checkpoint:
        tensors, values = random_states(self.device)
        return Checkpoint(
            epochs=tuple(self._epochs),
            unfinished=self._unfinished,
            best_epoch=self._best_epoch(),
            step=self._step,
            model=self.model.trained_state(),
            optimizer=flat_state(self.optimizer.state_dict()["state"]),
            random=tensors,
            values={"random": values, "scaler": self._scaler.state_dict()},
        )

    def _resume(self, checkpoint: Checkpoint | None) -> None:
        self._epochs, self._unfinished = [], PartialEpoch()
        if checkpoint is None:
            return
        self._epochs, self._unfinished = list(checkpoint.epochs), checkpoint.unfinished
        self._step = checkpoint.step
        self.model.load_trained_state(checkpoint.model)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": nested_state(checkpoint.optimizer), "param_groups": groups})
        self._scaler.load_state_dict(checkpoint.values["scaler"])
        restore_random_states(self.device, checkpoint.random, checkpoint.values["random"])

    def _train_step(self, group: list[Batch], reviews_per_epoch: int, epoch: int) -> float:
        """Make one optimizer step over the group's reviews; return their mean loss."""
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
        self._clip_gradients(float(loss), epoch)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss)

    def _clip_gradients(self, loss: float, epoch: int) -> None:
        """Clip the gradients; raise when they or the loss are not finite."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        limit = self.config.max_grad_norm
        norm = float(nn.utils.clip_grad_norm_(parameters, limit if limit is not None else float("inf")))
        # A scaler looks for overflow by itself and skips that one step; a NaN loss is an error even so.
        if not np.isfinite(loss) or not (np.isfinite(norm) or self._scaler.is_enabled()):
            raise NonFiniteError(
                f"epoch {epoch}, step {self._step}: loss {loss}, gradient norm {norm}. Lower `training.learning_rate` "
                f"(now {self.config.learning_rate:g}), set `training.max_grad_norm`, or use `training.precision=fp32`."
            )

    def _total_steps(self, reviews_per_epoch: int) -> int:
        batches = -(-reviews_per_epoch // self.config.batch_size)
        return self.config.epochs * -(-batches // self.config.accumulation_steps)

    def _learning_rate(self, reviews_per_epoch: int) -> float:
        """Return the rate of this step, before a group's own scale."""
        factor = learning_rate_factor(self.config, self._step, self._total_steps(reviews_per_epoch))
        return self.config.learning_rate * factor


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return the number of all parameters and of the trainable ones."""
    parameters: list[Tensor] = list(model.parameters())
    return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
