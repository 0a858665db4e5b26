"""Settings of training. Imports no torch."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from data_pipeline.errors import InputError

PrecisionSetting = Literal["auto", "fp32", "bf16", "fp16"]


class TrainingConfig(BaseModel):
    """Every setting of training that changes the result."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    epochs: int = Field(default=4, ge=1, le=1000)
    """Most passes over the train part."""
    batch_size: int = Field(default=32, ge=1)
    """Reviews per forward pass in training."""
    eval_batch_size: int = Field(default=64, ge=1)
    """Reviews per forward pass in validation, test and feature extraction."""
    accumulation_steps: int = Field(default=1, ge=1)
    """Forward passes per optimizer step."""
    learning_rate: float = Field(default=1e-3, gt=0, lt=10)
    """AdamW's peak learning rate."""
    weight_decay: float = Field(default=0.01, ge=0, lt=1)
    """AdamW's decoupled weight decay (Loshchilov & Hutter 2019), of all but biases and norms."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """After the warm-up: the peak rate, or a decay to 0 at the last step."""
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps in which the rate rises from 0 to its peak."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Norm to which gradients are clipped; null: never."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs without a lower val/loss before training stops; null: never early."""
    length_grouping: bool = True
    """Batch reviews of similar length, so that little is padded."""
    precision: PrecisionSetting = "auto"
    """Precision of the matrix products; `auto`: bf16 where the processor computes in it, else fp32."""


@dataclass(frozen=True, slots=True)
class CheckpointInterval:
    """When unfinished work is saved: after so many seconds or steps, whichever comes first.

    Attributes:
        seconds: wall time.
        steps: optimizer steps, or batches of an evaluation; None: by time alone.
    """

    seconds: float = 120.0
    steps: int | None = None

    def __post_init__(self) -> None:
        if not self.seconds >= 0 or (self.steps is not None and self.steps < 1):
            raise InputError(
                f"checkpoint interval: should not be negative, nor 0 steps (got {self.seconds} s, {self.steps} steps)"
            )
