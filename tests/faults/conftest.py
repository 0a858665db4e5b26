"""The tiny suite of tests/benchmark, in working directories that the tests kill it in."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.benchmark.conftest import config_content, empty_database, no_settings_from_outside, tiny_encoder
from tests.helpers.kills import EXPERIMENTS, Moments
from tests.helpers.place import Place

__all__ = ["config_content", "empty_database", "no_settings_from_outside", "tiny_encoder"]


@pytest.fixture
def make_place(tmp_path_factory, config_content: dict[str, Any], empty_database: Path):
    """`make_place()` is a new working directory; with `database=False` it has not even an empty store."""

    def make(experiments: Sequence[str] = EXPERIMENTS, *, database: bool = True) -> Place:
        folder = tmp_path_factory.mktemp("place")
        config_content["profiles"]["quick"] |= {"experiments": list(experiments), "challenges": ["endings"]}
        config_content["challenges"] = {"endings": {"source": "perturbation", "change": "last_words"}}
        (folder / "experiments.yaml").write_text(yaml.safe_dump(config_content, sort_keys=False), encoding="utf-8")
        if database:
            shutil.copy(empty_database, folder / "mlflow.db")
        return Place(folder)

    return make


@dataclass(frozen=True)
class Undisturbed:
    """What a suite records that nobody disturbs, and how many moments it has."""

    record: dict[str, object]
    moments: Moments


@pytest.fixture(scope="session")
def all_undisturbed() -> list[Undisturbed]:
    return []


@pytest.fixture
def undisturbed(all_undisturbed: list[Undisturbed], make_place) -> Undisturbed:
    """It is run once a session."""
    if not all_undisturbed:
        place = make_place()
        moments = place.folder / "moments.jsonl"
        assert place.call(moments=str(moments)) == 0, place.log
        all_undisturbed.append(Undisturbed(place.record(), Moments.read(moments)))
    return all_undisturbed[0]
