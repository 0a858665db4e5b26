"""How fast a model is on one machine, as MLflow has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

BUSY = 0.15  # share of a machine: what other programs may take before figures of speed mean nothing


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast a model is on one machine; MLflow metrics have the fields' names.

    Tokens are counted after truncation. `features_...` is None without a frozen encoder, `..._gflops` and
    `share_of_peak` are None for a network that multiplies no matrices.

    Attributes:
        train_reviews_per_second: dropout and optimizer included; with a frozen encoder on features made before.
        inference_reviews_per_second: of tokenised new reviews in batches; a frozen encoder included.
        latency_p50_ms: median for one new review, tokenisation included.
        train_gflops: useful matrix products of training per second, in 1e9 operations; padding is not useful.
        matmul_gflops: what products of the same shapes alone reach here, in the same minute.
        tokens_per_review: of whole reviews, before truncation.
        feature_bytes: on disk, of one review's features.
        assumed_encoder: a network of BERT base's shape stood in for an encoder that is not on this machine.
        taken: share of the machine that other programs took meanwhile; older records do not say.
    """

    train_reviews_per_second: float
    train_tokens_per_second: float
    validation_reviews_per_second: float
    inference_reviews_per_second: float
    inference_tokens_per_second: float
    features_reviews_per_second: float | None
    latency_p50_ms: float
    latency_p95_ms: float
    train_gflops: float | None
    matmul_gflops: float | None
    share_of_peak: float | None
    peak_memory_mib: float
    parameters_total: int
    parameters_trainable: int
    tokens_per_review: float
    feature_bytes: int
    assumed_encoder: bool = False
    taken: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether other programs took so much that the figures are not to be compared."""
        return self.taken > BUSY

    def metrics(self) -> dict[str, float]:
        """Return the figures for MLflow, without those that are None."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, float]) -> Throughput:
        """Read what `metrics` returned."""
        found: dict[str, Any] = {each.name: metrics.get(each.name) for each in fields(cls)}
        for name in ("parameters_total", "parameters_trainable", "feature_bytes"):
            found[name] = int(found[name])
        return cls(**found | {"assumed_encoder": bool(found["assumed_encoder"]), "taken": found["taken"] or 0.0})
