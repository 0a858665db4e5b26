"""The one training loop, for every model.

B reviews in the batch, C classes, N reviews in the part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.progress import NullProgress, Progress
from benchmark.records import EpochRecord
from benchmark.reproducibility import random_states, restore_random_states
from benchmark.training.checkpoint import Checkpoint, CheckpointFolder
from benchmark.training.config import TrainingConfig
from benchmark.training.early_stopping import EarlyStopping
from benchmark.training.schedule import learning_rate_factor
from data_pipeline.batch import Batch, evaluation_order
from data_pipeline.pipeline import Part
from models.classifier import Classifier
from models.precision import Precision, autocast


class NonFiniteError(ArithmeticError):
    """The loss or a gradient is not a number; raised before the optimizer could spoil the weights."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network says of a part's N reviews, in the part's order.

    Attributes:
        labels: (N,) int64, the truth.
        logits: (N, C) float32.
        loss: mean cross-entropy in nats.
        seconds: wall time of the N forward passes.
    """

    labels: np.ndarray
    logits: np.ndarray
    loss: float
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of reviews whose largest logit is the true label's, 0 to 1."""
        return float((self.logits.argmax(axis=1) == self.labels).mean())


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
            checkpoints: where each epoch's state is kept.
            on_epoch: is given each epoch's record once the epoch is on disk; those of a checkpoint come first, again.

        Raises:
            NonFiniteError: a loss or gradient is not a number.
            CheckpointError: the newest checkpoint is of another run, version or machine.
        """
        config = self.config
        stopping = EarlyStopping(config.patience)
        epochs = self._go_on(checkpoints.load())
        for record in epochs:
            stopping.update(record.epoch, record.val_loss)
            on_epoch(record)
        if epochs:
            self.progress.say(f"goes on after epoch {len(epochs)}")
        self.progress.start("train", (config.epochs - len(epochs)) * (len(train) + len(val)))
        while len(epochs) < config.epochs and not stopping.should_stop:
            record = self._epoch(len(epochs) + 1, train, val)
            best = stopping.update(record.epoch, record.val_loss)
            epochs.append(record)
            checkpoints.save(self._checkpoint(epochs, stopping.best_epoch))
            on_epoch(record)
            self.progress.say(
                f"epoch {record.epoch}/{config.epochs}: train/loss {record.train_loss:.4f}, "
                f"val/loss {record.val_loss:.4f}, val/accuracy {100 * record.val_accuracy:.2f} %"
                f"{' (best so far)' if best else ''}"
            )
        self.progress.finish()
        self.model.load_trained_state(checkpoints.best_weights())
        return Fit(tuple(epochs), stopping.best_epoch)

    def _epoch(self, epoch: int, train: Part, val: Part) -> EpochRecord:
        """One pass over the train part and the validation after it."""
        started = time.perf_counter()
        train_loss = self._train_epoch(train, epoch)
        train_seconds = time.perf_counter() - started
        scores = self.predict(val)
        if not np.isfinite(scores.loss):
            raise NonFiniteError(f"val/loss is {scores.loss} after epoch {epoch}; lower training.learning_rate")
        return EpochRecord(
            epoch, train_loss, scores.loss, scores.accuracy, self._learning_rate(), train_seconds, scores.seconds
        )

    def _checkpoint(self, epochs: Sequence[EpochRecord], best_epoch: int) -> Checkpoint:
        """All that the next epoch depends on."""
        tensors, values = random_states(self.device)
        return Checkpoint(
            epochs=tuple(epochs),
            best_epoch=best_epoch,
            step=self._step,
            model=self.model.trained_state(),
            optimizer=_flat_state(self.optimizer.state_dict()["state"]),
            random=tensors,
            values={"random": values, "scaler": self._scaler.state_dict()},
        )

    def _go_on(self, checkpoint: Checkpoint | None) -> list[EpochRecord]:
        """Put everything back to where the checkpoint was written; its epochs."""
        if checkpoint is None:
            return []
        self._step = checkpoint.step
        self.model.load_trained_state(checkpoint.model)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": _nested_state(checkpoint.optimizer), "param_groups": groups})
        self._scaler.load_state_dict(checkpoint.values["scaler"])
        restore_random_states(self.device, checkpoint.random, checkpoint.values["random"])
        return list(checkpoint.epochs)

    def predict(self, part: Part) -> Predictions:
        """Logits of all reviews of the part, dropout off."""
        self.model.eval()
        order = list(evaluation_order(part.lengths, self.config.eval_batch_size))
        outputs = []
        started = time.perf_counter()
        with torch.inference_mode(), autocast(self.precision, self.device):
            for positions in order:
                outputs.append(self.model(part.batch(positions).to(self.device)).float().cpu())
                self.progress.advance(len(positions))
        seconds = time.perf_counter() - started
        sorted_logits = torch.cat(outputs)
        logits = torch.empty_like(sorted_logits)
        logits[torch.from_numpy(np.concatenate(order))] = sorted_logits
        labels = torch.from_numpy(part.labels)
        return Predictions(part.labels, logits.numpy(), float(F.cross_entropy(logits, labels)), seconds)

    def _train_epoch(self, train: Part, epoch: int) -> float:
        """One pass over the part; mean loss of its reviews."""
        self.model.train()
        batches = train.training_batches(
            self.config.batch_size, self.seed, epoch, length_grouping=self.config.length_grouping
        )
        total = 0.0
        for group in _groups(batches, self.config.accumulation_steps):
            loss = self._train_step(group, len(train), epoch)
            reviews = sum(len(batch) for batch in group)
            total += loss * reviews
            self.progress.advance(reviews, f"epoch {epoch}/{self.config.epochs}, loss {loss:.3f}")
        return total / len(train)

    def _train_step(self, group: list[Batch], reviews_per_epoch: int, epoch: int) -> float:
        """One optimizer step over the group's reviews; their mean loss."""
        self._step += 1
        rate = learning_rate_factor(self.config, self._step, self._total_steps(reviews_per_epoch))
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = self.config.learning_rate * parameters["learning_rate_scale"] * rate
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

    def _learning_rate(self) -> float:
        group = self.optimizer.param_groups[0]
        return float(group["lr"] / group["learning_rate_scale"])


def make_optimizer(model: Classifier, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW over the model's groups; biases and norms (fewer than two dimensions) do not decay."""
    groups = []
    for group in model.parameter_groups():
        for decays in (True, False):
            parameters = [p for p in group.parameters if (p.dim() >= 2) == decays]
            if parameters:
                groups.append(
                    {
                        "params": parameters,
                        "weight_decay": config.weight_decay if decays else 0.0,
                        "learning_rate_scale": group.learning_rate_scale,
                    }
                )
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def _flat_state(state: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """An optimizer's state as tensors by `<parameter>.<key>`, which safetensors can keep."""
    return {f"{number}.{key}": tensor for number, kept in state.items() for key, tensor in kept.items()}


def _nested_state(flat: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """What `_flat_state` was made of."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    return state


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
