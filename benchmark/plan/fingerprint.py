"""Which runs are the same run: a fingerprint of everything that can change a result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from benchmark.config.schema import RunConfig
from models.configs import EncoderConfig
from models.registry import get_model_spec

# Raise by hand when code changes what a run of the same settings gives: then all runs are done again.
RESULT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run reads besides its settings, by content.

    Attributes:
        corpus: fingerprint of all reviews of the source.
        split: fingerprint of the three parts.
        encoder: fingerprint of the encoder's folder, None without an encoder.
        precision: `training.precision` as this machine resolves it.
    """

    corpus: str
    split: str
    encoder: str | None
    precision: str


def encoder_config(run: RunConfig) -> EncoderConfig | None:
    """The pre-trained encoder that the run's model names, or None."""
    encoder = getattr(run.experiment.model, "encoder", None)  # a plugin's setting of that name may be anything
    return encoder if isinstance(encoder, EncoderConfig) else None


def fingerprint(run: RunConfig, inputs: Inputs) -> str:
    """16 hex digits; equal for two runs exactly when only the seed can make their results differ."""
    settings = run.experiment.plain()
    encoder = encoder_config(run)
    if encoder is not None:
        del settings["model"]["encoder"]  # its content counts, not where it lies
    tokens = settings["tokens"]
    spec = get_model_spec(run.experiment.model.name)
    if spec.tokenizer == "wordpiece":
        # The encoder's vocabulary is fixed: these two keys do nothing there.
        tokens = {key: value for key, value in tokens.items() if key not in {"vocab_size", "min_count"}}
    content: dict[str, Any] = {
        "result_version": RESULT_VERSION,
        "corpus": inputs.corpus,
        "split": inputs.split,
        "encoder": inputs.encoder if encoder is not None else None,
        "model": settings["model"],
        "tokens": tokens,
        "training": {**settings["training"], "precision": inputs.precision},
    }
    if spec.plugin is not None:
        content["plugin"] = spec.plugin_sha256
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
