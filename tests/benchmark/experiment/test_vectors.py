"""Words begin with the vectors that the settings name, and a run says how many do."""

import re

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmark.config.errors import ConfigError
from benchmark.experiment.run import run_experiment
from benchmark.experiment.vectors import begin_vectors
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import KNOWN_VECTORS
from benchmark.training.progress import Progress
from data_pipeline.errors import DataError
from data_pipeline.tokenization import WordTokenizer
from models.registry import ModelContext, get_model_spec
from tests.helpers.encoders import reviews
from tests.helpers.facts import assert_names
from tests.helpers.null_tracker import NullTracker
from tests.helpers.trained import run_of

WORDS = ["good", "film", "dull"]


class Recording(NullTracker):
    def __init__(self):
        self.metrics = {}

    def log_metrics(self, metrics, step=0):
        self.metrics |= metrics


@pytest.fixture
def build(tmp_path):
    """`build("gru", freeze_vectors=True)` is the network over a file that has `good` and `dull`, and its tracker."""
    path = tmp_path / "vectors.txt"
    path.write_text("good 1 2 3\ndull 4 5 6\n")
    tokenizer = WordTokenizer(["<pad>", "<unk>", *WORDS])

    def make(name, **settings):
        spec, tracker = get_model_spec(name), Recording()
        plain = {"name": name, "embedding_dim": 3, "vectors": {"path": str(path)}, **settings}
        config = spec.config_class.from_plain(plain)
        vectors = begin_vectors(config, tokenizer, None, tracker, Progress())
        return spec.build(config, ModelContext(tokenizer.vocab_size, vectors=vectors)), tracker

    return make


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "lstm-attention", "text-cnn"])
@pytest.mark.parametrize("frozen", [False, True])
def test_words_begin_with_their_vectors_others_at_random_and_are_trained_unless_frozen(build, name, frozen):
    model, tracker = build(name, freeze_vectors=frozen)
    weights = model.word_vectors().weight
    first = weights.detach().clone()

    assert first[[0, 2, 4]].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert 0 < first[[1, 3]].abs().max() <= 0.5
    assert tracker.metrics == {KNOWN_VECTORS: pytest.approx(2 / 3)}
    batch = reviews([4, 3], 0, ids=5)
    optimizer = torch.optim.SGD([p for group in model.parameter_groups() for p in group.parameters], lr=1.0)
    cross_entropy(model(batch), batch.labels).backward()
    optimizer.step()
    assert torch.equal(weights, first) == frozen
    assert ("embedding.weight" in model.trained_state()) != frozen


def test_vectors_of_no_word_of_the_vocabulary_are_refused(build, tmp_path):
    (tmp_path / "vectors.txt").write_text("fremd 1 2 3\n")
    with pytest.raises(DataError) as fault:
        build("lstm")
    assert_names(fault, "vectors.txt", "3 words")


def test_a_width_that_is_not_the_vectors_is_refused_before_anything_runs(plan, tmp_path):
    (tmp_path / "vectors.txt").write_text("good 1 2 3\n")
    for vectors, width in (("vectors=encoder", 384), (f"vectors.path={tmp_path / 'vectors.txt'}", 3)):
        with pytest.raises(ConfigError) as fault:
            plan(f"lstm.model.{vectors}")
        assert_names(fault, "lstm.model.embedding_dim", f"expected {width}")


@pytest.mark.process
def test_a_run_may_begin_with_an_encoders_vectors(plan, tmp_path, capsys):
    planned = run_of(plan("lstm.model.vectors=encoder", "lstm.model.embedding_dim=384"), "lstm")
    outcome = run_experiment(planned, Workspace("unused", tmp_path, "cpu"), NullTracker(), Progress())

    assert np.isfinite(outcome.predictions.logits).all()
    assert planned.config.settings()["model"]["encoder"] is not None
    assert re.fullmatch("[0-9a-f]{16}", planned.fingerprint)
