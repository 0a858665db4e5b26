"""Batches made of token ids, and a BERT small enough to build in a blink."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from data_pipeline.batch import Batch
from models.classifier import Classifier
from models.registry import ModelContext

VOCABULARY = 100


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """make_batch([5, 3], padding=2) is two random reviews of 5 and 3 tokens, padded to 7; labels alternate."""

    def make(lengths: Sequence[int], *, padding: int = 0, seed: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        input_ids = torch.zeros(len(lengths), max(lengths) + padding, dtype=torch.int64)
        for row, length in zip(input_ids, lengths, strict=True):
            row[:length] = torch.randint(1, VOCABULARY, (length,), generator=generator)
        return Batch(
            ids=tuple(f"review-{i}" for i in range(len(lengths))),
            labels=torch.arange(len(lengths)) % 2,
            input_ids=input_ids,
            lengths=torch.tensor(lengths),
        )

    return make


@pytest.fixture(scope="session")
def encoder_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of 2 layers, 32 wide, in the files that a real one has."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,  # with the usual 0.02 all reviews look alike to a random encoder
    )
    BertModel(shape).save_pretrained(folder)
    return folder


@pytest.fixture
def context(encoder_dir: Path) -> ModelContext:
    return ModelContext(vocab_size=VOCABULARY, num_classes=2, encoder_dir=encoder_dir)


@pytest.fixture
def learn_by_heart() -> Callable[..., float]:
    """learn_by_heart(model, batch, learning_rate, steps=20) trains on one batch, again and again: its last loss."""

    def learn(model: Classifier, batch: Batch, learning_rate: float, *, steps: int) -> float:
        groups = model.parameter_groups()
        optimizer = torch.optim.Adam(
            {"params": group.parameters, "lr": learning_rate * group.learning_rate_scale} for group in groups
        )
        for _ in range(steps):
            loss = cross_entropy(model(batch), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    return learn
