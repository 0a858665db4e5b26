"""A trained network with its tokenizer: raw texts in, labels and probabilities out.

A served model carries this file: of `benchmark` it must import nothing. N reviews, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from data_pipeline.batch import evaluation_order
from data_pipeline.config import TokensConfig
from data_pipeline.pipeline import VOCABULARY_FILE, part_of_texts
from data_pipeline.tokenization import Tokenizer, WordPieceTokenizer, WordTokenizer
from models.precision import autocast, available_precision
from models.saved import ENCODER_DIR, SavedModel, SavedModelError, load_classifier, read_saved_model


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

    def logits(
        self,
        texts: Sequence[str],
        on_unreadable: Callable[[int], None] = lambda _: None,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> np.ndarray:
        """Return (N, C) float32 logits, in the order of the texts, computed in the batches of an evaluation.

        A lone surrogate, which JSON can spell and no tokenizer takes, is read as U+FFFD. `on_unreadable` is called with
        the number of texts without a known token, `on_batch` with that of each batch.
        """
        texts = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
        part = part_of_texts(texts, self.tokenizer, self.tokens)
        on_unreadable(part.unreadable)
        logits = np.empty((len(part), len(self.labels)), dtype=np.float32)
        if not texts:
            return logits
        with torch.inference_mode(), autocast(self._precision, self.device):
            for positions in evaluation_order(part.lengths, self._batch_size):
                logits[positions] = self.model(part.batch(positions).to(self.device)).float().cpu().numpy()
                on_batch(len(positions))
        return logits

    def predict(self, texts: Sequence[str], on_unreadable: Callable[[int], None] = lambda _: None) -> pd.DataFrame:
        """Return one row per text: `label`, and `probability_...` of each class in float64; see `logits`."""
        logits = self.logits(texts, on_unreadable)
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
