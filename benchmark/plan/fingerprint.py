"""Fingerprint a run: a hash of everything that can change its result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.config.schema import RunConfig
from data_pipeline.files import sha256_of, try_read
from data_pipeline.paths import map_paths
from models.configs import EncoderConfig, VectorsConfig, WordsConfig
from models.registry import get_model_spec

# Raise by hand when code changes the result of the same settings: then all runs are done again.
RESULT_VERSION = 3


@dataclass(frozen=True, slots=True)
class Inputs:
    """Fingerprints of what a run reads besides its settings, and its precision as this machine resolves it."""

    corpus: str
    split: str
    encoder: str | None
    precision: str


def encoder_config(run: RunConfig) -> EncoderConfig | None:
    """Return the pre-trained encoder that the run's model names, or None."""
    encoder = getattr(run.experiment.model, "encoder", None)  # a plugin's setting of that name may be anything
    return encoder if isinstance(encoder, EncoderConfig) else None


def fingerprint(run: RunConfig, inputs: Inputs) -> str:
    """Return 16 hex digits, equal for two runs exactly when only the seed can make their results differ.

    Raises:
        DataError: a file that a setting names cannot be read.
    """
    settings, model = map_paths(run.experiment, _content).plain(), run.experiment.model
    encoder = encoder_config(run)
    if encoder is not None:
        del settings["model"]["encoder"]  # its content counts, not where it lies
    if isinstance(model, WordsConfig) and isinstance(model.vectors, VectorsConfig):
        del settings["model"]["vectors"]["sha256"]  # `path` has become the file's hash
    tokens = settings["tokens"]
    spec = get_model_spec(model.name)
    if spec.tokenizer == "wordpiece":
        # The encoder's vocabulary is fixed: these two keys do nothing there.
        tokens = {key: value for key, value in tokens.items() if key not in {"vocab_size", "min_count"}}
    content: dict[str, Any] = {
        "result_version": RESULT_VERSION,
        "corpus": inputs.corpus,
        "split": inputs.split,
        "encoder": inputs.encoder if encoder is not None else None,
        "model": model.without_later(settings["model"]),
        "tokens": tokens,
        "training": {**settings["training"], "precision": inputs.precision},
    }
    if spec.plugin is not None:
        content["plugin"] = spec.plugin_sha256
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _content(path: Path) -> Path:
    """Return a file's hash in place of where it lies; the path itself where there is no file."""
    return Path(try_read(path, sha256_of)) if os.path.isfile(path) else path  # noqa: PTH113  too long a name is none
