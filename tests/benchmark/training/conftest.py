"""Small parts of made-up reviews to train on, and a way to know a network's weights again."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from benchmark.training.checkpoint import CheckpointFolder
from benchmark.training.epoch import EpochRecord
from data_pipeline.config import DataConfig, TokensConfig
from data_pipeline.corpus import Corpus
from data_pipeline.load import load_corpus
from data_pipeline.pipeline import Data, Part, build_data
from models.classifier import Classifier
from tests.helpers.watched_networks import FEATURES, trainer


@pytest.fixture(scope="session")
def small_corpus(reviews_csv: Path) -> Corpus:
    """48 / 24 / 25 of the made-up reviews."""
    return load_corpus(DataConfig(source="table", path=reviews_csv, train_size=48, val_size=24, test_size=25))


@pytest.fixture(scope="session")
def words(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """The small corpus as words."""
    tokens = TokensConfig(max_length=24, vocab_size=100, min_count=1)
    return build_data(small_corpus, tokens, "word", None, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def parts(words: Data) -> dict[str, Part]:
    """The small corpus, each review as random features: the label shows through them, but not clearly."""
    chance = np.random.default_rng(0)

    def features(part: Part) -> Part:
        noise = chance.normal(size=(len(part), FEATURES))
        return part.with_features((noise + 0.5 * part.labels[:, None]).astype(np.float32))

    return {name: features(part) for name, part in words.parts.items()}


@pytest.fixture
def weights() -> Callable[[nn.Module], dict[str, Tensor]]:
    """`weights(model)` is a copy of all its tensors by name."""
    return lambda model: {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@pytest.fixture
def fit(parts, tmp_path) -> Callable[..., Any]:
    """`fit(model, epochs=3)` trains on the features; the Trainer and the Fit. Each call has a folder of its own."""
    numbers = count()

    def run(
        model: Classifier,
        *,
        on_epoch: Callable[[EpochRecord], None] = lambda _: None,
        folder: str | None = None,
        **settings: Any,
    ) -> Any:
        made = trainer(model, **settings)
        checkpoints = CheckpointFolder(tmp_path / (folder or str(next(numbers))), "run", {})
        return made, made.fit(parts["train"], parts["val"], checkpoints, on_epoch)

    return run
