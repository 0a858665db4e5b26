import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus
from data_pipeline.encoder import resolve_encoder
from data_pipeline.load import load_corpus
from tests.helpers.file_server import FileServer


@pytest.fixture(scope="session")
def corpus(reviews_csv: Path) -> Corpus:
    """120 / 40 / 60 of the made-up reviews."""
    config = DataConfig(source="table", path=reviews_csv, train_size=120, val_size=40, test_size=60)
    return load_corpus(config)


@pytest.fixture(scope="session")
def encoder_dir() -> Path:
    """Folder of the embedded encoder, whose tokenizer is BERT's."""
    return resolve_encoder(None, None).folder


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
