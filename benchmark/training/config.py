"""What can be set about training. Imports no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

PrecisionSetting = Literal["auto", "fp32", "bf16", "fp16"]


class TrainingConfig(BaseModel):
    """One run of the trainer; whatever changes the result stands here by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    epochs: int = Field(default=4, ge=1, le=1000)
    """Passes over the train part, at most."""
    batch_size: int = Field(default=32, ge=1)
    """Reviews a forward pass in training."""
    eval_batch_size: int = Field(default=64, ge=1)
    """Reviews a forward pass in validation, test and feature extraction."""
    accumulation_steps: int = Field(default=1, ge=1)
    """Forward passes whose gradients make one optimizer step."""
    learning_rate: float = Field(default=1e-3, gt=0, lt=10)
    """AdamW's peak learning rate."""
    weight_decay: float = Field(default=0.01, ge=0, lt=1)
    """AdamW's decoupled weight decay (Loshchilov & Hutter 2019); biases and norms are left out."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """What follows the warm-up: the peak rate, or a decay to 0 at the last step."""
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Part of all steps in which the rate rises from 0 to its peak."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm; null: never."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs without a lower val/loss before training stops; null: never early."""
    length_grouping: bool = True
    """Reviews of like length share a batch, so that little is padded."""
    precision: PrecisionSetting = "auto"
    """Of the matrix products; `auto`: bf16 where the processor computes in it, else fp32."""
