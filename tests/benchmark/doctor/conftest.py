"""A store, a cache and a machine to check."""

from pathlib import Path

import pytest

from benchmark.doctor import machine
from benchmark.plan.workspace import Workspace
from benchmark.tracking.lock import lock_name
from benchmark.tracking.tags import run_tags
from tests.helpers.examined import FINGERPRINT


@pytest.fixture(autouse=True)
def room_enough(monkeypatch):
    """Let the machine of the tests have little memory and disk, and reviews of its own."""
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    for name in ("MEMORY_NEEDED", "CACHE_NEEDED", "STORE_NEEDED"):
        monkeypatch.setattr(machine, name, 0)
    monkeypatch.setattr(machine, "taken_now", lambda threads: 0.0)


@pytest.fixture
def workspace(store_uri, tmp_path) -> Workspace:
    return Workspace(store_uri, tmp_path / ".benchmark", "cpu")


@pytest.fixture
def start(store, workspace):
    """`start()` is a run that is RUNNING."""

    def make(kind: str = "run", lock: str | None = None, seed: int = 1):
        lock = lock or lock_name(workspace.lock(f"{kind}-{FINGERPRINT}-{seed}"))
        labels = run_tags(parent="", experiment="lstm", seed=seed, fingerprint=FINGERPRINT, kind=kind, lock=lock)
        return store.start_run("quick", f"lstm seed {seed}", labels)

    return make


@pytest.fixture
def cache(tmp_path) -> Path:
    """Make a cache with an entry of each kind, and one that a killed process left unfinished."""
    for entry in ("tokens/key", "features/key", "corpora/key", "vocabularies/key", "features/other.unfinished"):
        folder = tmp_path / ".benchmark" / entry
        folder.mkdir(parents=True)
        (folder / "content").write_bytes(bytes(2**20))
    return tmp_path / ".benchmark"
