"""Raw texts in, labels and probabilities out: the script that MLflow logs with a model and runs to load it.

It loads where our package is not installed, from the copies of data_pipeline and models beside it, so it must not
import `benchmark`. N reviews, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from data_pipeline.batch import evaluation_order
from data_pipeline.config import TokensConfig
from data_pipeline.pipeline import VOCABULARY_FILE, part_of_texts
from data_pipeline.tokenization import Tokenizer, WordPieceTokenizer, WordTokenizer
from models.precision import autocast, available_precision
from models.saved import ENCODER_DIR, SavedModel, SavedModelError, load_classifier, read_saved_model

BUNDLE = "bundle"  # MLflow's name of the run's own files among the model's artifacts
TEXT_COLUMN = "text"


class SentimentClassifier:
    """A trained network with its tokenizer.

    Args:
        folder: a bundle, see benchmark/experiment/bundle.py.
        device: None: CUDA if there is a card, else the CPU.

    Raises:
        SavedModelError: a file is missing, damaged, changed or of another version.
        DataError: the folder has no usable tokenizer.
    """

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        saved = read_saved_model(folder)
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._precision = available_precision(saved.precision, self.device)
        self.tokens = TokensConfig.model_validate(saved.tokens)
        self.tokenizer = _load_tokenizer(folder, saved)
        self._batch_size = saved.eval_batch_size
        self.model = load_classifier(folder, saved).to(self.device)
        self.labels = saved.labels

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return (N, C) float32 logits, in the order of the texts, computed in the batches of an evaluation."""
        part = part_of_texts(texts, self.tokenizer, self.tokens)
        logits = np.empty((len(part), len(self.labels)), dtype=np.float32)
        if not texts:
            return logits
        with torch.inference_mode(), autocast(self._precision, self.device):
            for positions in evaluation_order(part.lengths, self._batch_size):
                logits[positions] = self.model(part.batch(positions).to(self.device)).float().cpu().numpy()
        return logits

    def predict(self, texts: Sequence[str]) -> pd.DataFrame:
        """Return one row per text: `label`, and `probability_...` of each class in float64."""
        logits = self.logits(texts)
        probabilities = torch.from_numpy(logits).double().softmax(dim=1).numpy()
        columns = {f"probability_{label}": probabilities[:, column] for column, label in enumerate(self.labels)}
        return pd.DataFrame({"label": [self.labels[column] for column in logits.argmax(axis=1)], **columns})


def _load_tokenizer(folder: Path, saved: SavedModel) -> Tokenizer:
    tokenizer: Tokenizer
    if saved.tokenizer == "word":
        try:
            tokenizer = WordTokenizer.load(folder / VOCABULARY_FILE)
        except (OSError, ValueError) as error:
            raise SavedModelError(f"{folder / VOCABULARY_FILE}: is no vocabulary ({error})") from None
    else:
        tokenizer = WordPieceTokenizer(folder / ENCODER_DIR)
    if tokenizer.fingerprint != saved.tokenizer_fingerprint:
        raise SavedModelError(f"{folder}: the tokenizer is not the one that was saved. Fetch the model again.")
    return tokenizer


class SentimentModel(PythonModel):
    """The model as MLflow loads and serves it."""

    def load_context(self, context: Any) -> None:
        """Read the run's files."""
        self._classifier = SentimentClassifier(Path(context.artifacts[BUNDLE]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return label, probability_negative and probability_positive of each raw text, in order.

        `model_input` is a table with the column `text`, or a text or N texts if MLflow made no table of them.

        Raises:
            ValueError: the table has no such column, or a text is not a string.
        """
        return self._classifier.predict(_texts(model_input))


def _texts(model_input: pd.DataFrame | Iterable[str]) -> list[str]:
    if isinstance(model_input, pd.DataFrame):
        if TEXT_COLUMN not in model_input:
            raise ValueError(f"the input has no column {TEXT_COLUMN!r} (got {list(model_input.columns)})")
        model_input = model_input[TEXT_COLUMN]
    texts = [model_input] if isinstance(model_input, str) else list(model_input)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"text {position} is {type(text).__name__}, not a string")
    return texts


set_model(SentimentModel())
