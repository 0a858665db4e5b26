"""Where the word vectors of a run begin, and how much of the vocabulary they cover."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import KNOWN_VECTORS
from benchmark.training.progress import Progress
from data_pipeline.errors import DataError
from data_pipeline.tokenization import UNK_ID, Tokenizer, WordTokenizer
from data_pipeline.word_vectors import encoder_vectors, read_vectors
from models.configs import VectorsConfig, WordsConfig
from models.registry import ModelConfig


def begin_vectors(
    model: ModelConfig, tokenizer: Tokenizer, encoder_dir: Path | None, tracker: MlflowTracker, progress: Progress
) -> np.ndarray | None:
    """Return the (V, E) vectors that the model's settings name, None where all begin at random; record the coverage.

    Raises:
        DataError: the vectors cannot be read, or none is of these words.
    """
    if not isinstance(model, WordsConfig) or model.vectors is None:
        return None
    assert isinstance(tokenizer, WordTokenizer), "a vector per word goes with the word tokenizer"
    words = tokenizer.words[UNK_ID + 1 :]
    if isinstance(model.vectors, VectorsConfig):
        where, found = str(model.vectors.path), read_vectors(model.vectors.path, words)
    else:
        assert encoder_dir is not None, "the plan has resolved the encoder"
        where, found = "encoder", encoder_vectors(encoder_dir, words)
    known = int((~np.isnan(found[:, 0])).sum())
    if not known:
        raise DataError(f"{where}: has no vector of any of the {len(words):,} words. Name vectors of their language.")
    tracker.log_metrics({KNOWN_VECTORS: known / len(words)})
    progress.say(f"{known:,} of {len(words):,} words begin with a vector of {where}")
    return np.concatenate([np.full((UNK_ID + 1, found.shape[1]), np.nan, np.float32), found])
