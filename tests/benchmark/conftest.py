"""A whole suite that trains in seconds: a few made-up reviews, small nets, and a BERT that knows their words."""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.tracking.store import TrackingStore

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store and the cache of whoever runs the tests are left alone."""
    for name in ("MLFLOW_TRACKING_URI", "BENCHMARK_CACHE", "BENCHMARK_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "8")  # an interrupted command lowers it for its process


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs; its 50 tables take seconds to make, so tests take a copy."""
    folder = tmp_path_factory.mktemp("database")
    TrackingStore(f"sqlite:///{folder / 'mlflow.db'}", folder)
    return folder / "mlflow.db"


@pytest.fixture(scope="module")
def working_shell(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Any]:
    """A working directory with an empty store; a process that a failed test leaves behind is ended with the module."""
    from tests.helpers.shell import Shell  # not above: tests/faults takes its fixtures from this file

    folder = tmp_path_factory.mktemp("work")
    shutil.copy(empty_database, folder / "mlflow.db")
    shell = Shell(folder)
    yield shell
    shell.end_all()


@pytest.fixture
def store_uri(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of a new sqlite store in tmp_path, which is the working directory: there MLflow puts the artifacts."""
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{shutil.copy(empty_database, tmp_path / 'mlflow.db')}"


@pytest.fixture
def store(store_uri, tmp_path, monkeypatch) -> TrackingStore:
    """The store that commands find by themselves, in the working directory's usual cache."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    return TrackingStore(store_uri, tmp_path / ".benchmark")


@pytest.fixture
def call(capsys):
    """`call("report")` is the exit status, what came on standard output and on standard error."""

    from benchmark.cli.main import main

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def all_trained() -> dict[str, Any]:
    """Those trained so far: each model is trained once per process, for tests that only look."""
    return {}


@pytest.fixture
def trained_as(all_trained, write_config, tmp_path_factory):
    """`trained_as("lstm", "training.precision=bf16")` is that experiment of the tiny suite after an epoch."""
    from tests.helpers.trained import Trained, train

    def get(name: str, *assignments: str) -> Trained:
        key = " ".join([name, *assignments])
        if key not in all_trained:
            all_trained[key] = train(write_config, tmp_path_factory.mktemp("trained"), name, *assignments)
        return all_trained[key]

    return get


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium without a screen. CI installs it (see .ci/run); elsewhere it may be missing."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        assert "CI" not in os.environ, "CI has no Chromium"
        pytest.skip("no Chromium here")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, reviews_csv: Path) -> Path:
    """A folder with a random BERT of 2 layers, 32 wide, and a tokenizer that knows the words of `reviews_csv`."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-encoder")
    with reviews_csv.open(newline="", encoding="utf-8") as file:
        words = sorted({word for row in csv.DictReader(file) for word in row["text"].split()})
    vocabulary = [*SPECIAL_TOKENS, *words]
    BertTokenizer(vocab={word: number for number, word in enumerate(vocabulary)}).save_pretrained(folder)
    shape = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,  # with the usual 0.02 all reviews look alike to a random encoder
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(shape).save_pretrained(folder)
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache of the hub, and no way to it."""
    monkeypatch.setattr("data_pipeline.hub.cached_snapshot", lambda *_: None)
    monkeypatch.setattr("data_pipeline.encoder.cached_snapshot", lambda *_: None)
    monkeypatch.setattr("data_pipeline.encoder.download_snapshot", lambda *_: pytest.fail("nothing is to be fetched"))


@pytest.fixture
def config_content(reviews_csv: Path, tiny_encoder: Path) -> dict[str, Any]:
    """What a small valid experiments.yaml says; a test may change it. fp32, so that every processor gives the same."""
    recurrent = {"embedding_dim": 16, "hidden_dim": 16, "dropout": 0.1}
    encoder = {"name": "tiny", "path": str(tiny_encoder)}
    tokens = {"max_length": 40}
    training = {"epochs": 2, "batch_size": 16, "precision": "fp32"}
    content = {
        "profiles": {
            "quick": {
                "description": "made-up reviews",
                "seeds": [1],
                "data": {
                    "source": "table",
                    "path": str(reviews_csv),
                    "train_size": 200,
                    "val_size": 50,
                    "test_size": 60,
                    "split_seed": 7,
                },
                "experiments": ["rnn", "lstm", "bert-frozen", "bert-finetuned"],
            }
        },
        "experiments": {
            "rnn": {
                "model": {"name": "rnn", **recurrent},
                "tokens": {**tokens, "vocab_size": 100, "min_count": 1},
                "training": {**training, "learning_rate": 1e-2},
            },
            "lstm": {
                "model": {"name": "lstm", **recurrent},
                "tokens": {**tokens, "vocab_size": 100, "min_count": 1},
                "training": {**training, "learning_rate": 1e-2},
            },
            "bert-frozen": {
                "model": {
                    "name": "bert-frozen",
                    "encoder": encoder,
                    "head_dim": 8,
                    "pooling": "mean",
                    "layers": "all",
                    "standardize": True,
                },
                "tokens": tokens,
                "training": {**training, "learning_rate": 1e-2},
            },
            "bert-finetuned": {
                "model": {"name": "bert-finetuned", "encoder": encoder, "head_dim": 8},
                "tokens": tokens,
                "training": {**training, "learning_rate": 1e-3},
            },
            # The last two are in no profile: what holds for a suite of four models holds for one of six.
            "lstm-attention": {
                "model": {"name": "lstm-attention", **recurrent, "attention_dim": 8},
                "tokens": {**tokens, "vocab_size": 100, "min_count": 1},
                "training": {**training, "learning_rate": 1e-2},
            },
            "bow": {
                "model": {"name": "bow", "max_features": 2000},
                "tokens": {**tokens, "vocab_size": 100, "min_count": 1},
                "training": {**training, "learning_rate": 1e-2},
            },
        },
        "published": [
            {
                "experiment": "lstm",
                "test_accuracy": 86.62,
                "corpus": f"table {reviews_csv.name}",  # ours, so the report gives a difference
                "source": "a paper",
                "setup": "settings not given",
            },
            {
                "experiment": "bert-finetuned",
                "test_accuracy": 93.53,
                "corpus": "another corpus",
                "encoder": "another encoder",
                "source": "another paper",
                "setup": "3 epochs",
            },
        ],
    }
    return json.loads(json.dumps(content))  # a copy that shares nothing: a test changes what it means to and no more


@pytest.fixture
def write_config(tmp_path: Path, config_content: dict[str, Any]) -> Callable[..., Path]:
    """`write_config(profiles={"quick": {"seeds": [1, 2]}})` writes tmp_path/experiments.yaml with that changed.

    Mappings are laid over each other, anything else takes the place of what was there.
    """

    def write(**changes: Any) -> Path:
        path = tmp_path / "experiments.yaml"
        path.write_text(yaml.safe_dump(_laid_over(config_content, changes), sort_keys=False), encoding="utf-8")
        return path

    return write


def _laid_over(base: Any, changes: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    return base | {key: _laid_over(base.get(key), value) for key, value in changes.items()}


@pytest.fixture
def here(store_uri, tmp_path, monkeypatch, write_config):
    """A working directory with an experiments.yaml and an empty store, which MLFLOW_TRACKING_URI names."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    write_config()
    return tmp_path


@pytest.fixture
def recorded(here, store_uri):
    """The working directory after a whole run of the profile in which `rnn` failed."""
    from benchmark.config.load import load_suite
    from tests.helpers.recorded_plan import record_plan

    record_plan(store_uri, load_suite(here / "experiments.yaml"), here / "cache", failed=("rnn",))
    return here
