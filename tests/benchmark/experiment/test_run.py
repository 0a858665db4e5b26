"""One run in this process: what it caches, what it refuses, how official reviews are recorded."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.config.load import load_suite, parse_assignments
from benchmark.experiment import run as run_module
from benchmark.experiment.run import run_experiment
from benchmark.plan.plan import make_plan
from benchmark.plan.workspace import Workspace
from benchmark.training.progress import Progress
from data_pipeline.errors import DataError
from data_pipeline.load import load_corpus
from tests.helpers.facts import assert_names
from tests.helpers.null_tracker import NullTracker
from tests.helpers.official import members, write_archive, write_folder
from tests.helpers.trained import SIZES

pytestmark = pytest.mark.process


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled with the number of reviews in each forward pass of an encoder."""
    from transformers import BertModel

    counts: list[int] = []
    forward = BertModel.forward

    def counting(self: BertModel, input_ids: torch.Tensor, *rest: Any, **settings: Any) -> Any:
        counts.append(len(input_ids))
        return forward(self, input_ids, *rest, **settings)

    monkeypatch.setattr(BertModel, "forward", counting)
    return counts


def test_a_frozen_encoder_reads_the_reviews_once_for_all_seeds(run, encoded):
    run("bert-frozen")
    passes = sum(encoded)
    encoded.clear()
    run("bert-frozen", seed=2)

    assert sum(SIZES.values()) <= passes <= sum(SIZES.values()) + 1  # one more gives the features' shape
    assert sum(encoded) <= 1


def test_a_fine_tuned_encoder_is_never_cached(run, encoded):
    run("bert-finetuned")

    assert sum(encoded) == 2 * (SIZES["train"] + SIZES["val"]) + SIZES["test"]


def test_another_seed_gives_other_predictions_of_the_same_reviews(run):
    first, other = run("rnn").predictions, run("rnn", seed=2).predictions

    assert not np.array_equal(other.logits, first.logits)
    assert np.array_equal(other.labels, first.labels)


def test_reviews_that_have_changed_since_the_plan_was_made_are_refused(run, monkeypatch):
    changed = lambda *where: replace(load_corpus(*where), fingerprint="f" * 64)  # noqa: E731
    monkeypatch.setattr(run_module, "load_corpus", changed)

    with pytest.raises(DataError, match="changed"):
        run("rnn")


class KeepsFiles(NullTracker):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def log_artifacts(self, folder: Path) -> None:
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)


def test_a_run_on_official_reviews_records_stars_films_and_duplicates_across_parts(write_config, tmp_path):
    data = {"source": "aclimdb", "path": None, "train_size": "all", "val_size": 12, "test_size": "all"}
    config = write_config(profiles={"quick": {"experiments": ["rnn"], "data": data}})
    suite = load_suite(config, "quick", parse_assignments(["data.split=by_film", "training.epochs=1"]))
    files = members() | {"test/pos/0_7.txt": members()["train/pos/1_8.txt"]}
    places = write_archive(tmp_path / "aclImdb_v1.tar.gz", files), write_folder(tmp_path / "folder", files)
    workspaces = [Workspace("unused", tmp_path / "cache", "cpu", place) for place in places]
    plan, of_folder = (make_plan(suite, workspace) for workspace in workspaces)
    run_experiment(plan.runs[0], workspaces[0], KeepsFiles(tmp_path / "kept"), Progress())
    table = pd.read_parquet(tmp_path / "kept" / "predictions.parquet")

    assert plan.runs == of_folder.runs
    assert plan.runs[0].config.data.train_size == 36
    assert_names(" ".join([plan.record.corpus, *plan.record.audit]), "48 + 48", "18 + 18", "6 + 6", "24 + 24")
    assert len(table) == 48
    assert set(table["stars"]) == {1, 2, 3, 4, 7, 8, 9, 10}
    assert table["film"].str.startswith("tt1").all()
    assert table["also_in_train"].sum() == 1
