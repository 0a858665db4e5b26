"""A store, a cache and a machine to check."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.doctor import machine
from benchmark.plan.workspace import Workspace
from benchmark.tracking.lock import lock_name
from benchmark.tracking.tags import run_tags
from data_pipeline.aclimdb import read_aclimdb
from data_pipeline.cache import cached_entry
from data_pipeline.feature_cache import cached_features
from data_pipeline.pipeline import VOCABULARY_FILE
from data_pipeline.token_store import cached_tokens
from data_pipeline.tokenization import WordTokenizer
from tests.helpers.examined import FINGERPRINT
from tests.helpers.official import members, write_archive


@pytest.fixture(autouse=True)
def room_enough(monkeypatch):
    """The machine that tests may have little memory and disk, and reviews of its own."""
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    for name in ("MEMORY_NEEDED", "CACHE_NEEDED", "STORE_NEEDED"):
        monkeypatch.setattr(machine, name, 0)


@pytest.fixture
def workspace(store_uri, tmp_path) -> Workspace:
    return Workspace(store_uri, tmp_path / ".benchmark", "cpu")


@pytest.fixture
def start(store, workspace):
    """`start()` is a run that says RUNNING."""

    def make(kind: str = "run", lock: str | None = None, seed: int = 1):
        identity = f"{kind}-{FINGERPRINT}-{seed}"
        labels = run_tags(
            parent="",
            experiment="lstm",
            seed=seed,
            fingerprint=FINGERPRINT,
            kind=kind,
            lock=lock_name(workspace.lock(identity)) if lock is None else lock,
        )
        return store.start_run("quick", f"lstm seed {seed}", labels)

    return make


@pytest.fixture
def cache(tmp_path) -> Path:
    """A cache with one whole entry of each kind."""
    folder = tmp_path / ".benchmark"
    cached_tokens(folder, "key", ["a", "b"], lambda texts: [np.arange(3, dtype=np.int32) for _ in texts])
    cached_features(folder, "key", (2, 3), _fill)
    read_aclimdb(write_archive(tmp_path / "reviews.tar.gz", members()), folder)
    words = WordTokenizer.from_texts(["a film", "a plot"], 10, 1)
    cached_entry(folder / "vocabularies" / "key", lambda entry: words.save(entry / VOCABULARY_FILE), lambda _: None)
    return folder


def _fill(features, done):
    features[:] = 1
    yield len(features)
