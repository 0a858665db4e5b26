"""Whatever is read here, nothing is written outside the cache."""

from collections.abc import Iterator
from pathlib import Path

import pytest


def content_below(folder: Path, *, without: Path) -> dict[str, bytes | None]:
    """Every file and folder outside the cache, with what a file holds; what lies in a pipe is not looked at."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if without not in (path, *path.parents)
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Iterator[Path]:
    """Where something may be written; only what the test puts into tmp_path/given may change besides."""
    for name in ("here", "given"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = content_below(tmp_path, without=tmp_path / "given")
    yield tmp_path / "given" / "cache"
    assert content_below(tmp_path, without=tmp_path / "given") == before


@pytest.fixture
def given(tmp_path, cache) -> Path:
    """Where what is read lies; reading leaves it as it is."""
    return tmp_path / "given"
