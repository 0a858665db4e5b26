"""A training that was interrupted at any moment ends, when it is called again, as if it had not been."""

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from benchmark.training import checkpoint
from benchmark.training.checkpoint import CheckpointFolder, last_step
from benchmark.training.config import CheckpointInterval, TrainingConfig
from benchmark.training.progress import Progress
from benchmark.training.reproducibility import seed_everything
from benchmark.training.trainer import Trainer
from data_pipeline.config import TokensConfig
from data_pipeline.pipeline import build_data
from models.registry import ModelContext, get_model_spec

pytestmark = pytest.mark.process

CPU = torch.device("cpu")
EACH_STEP = CheckpointInterval(seconds=float("inf"), steps=1)
SETTINGS = {
    "rnn": {"embedding_dim": 16, "hidden_dim": 16, "dropout": 0.4, "layers": 2},
    "lstm": {"embedding_dim": 16, "hidden_dim": 16, "dropout": 0.4, "bidirectional": True, "layers": 2},
    "lstm-attention": {"embedding_dim": 16, "hidden_dim": 16, "attention_dim": 8, "dropout": 0.4},
    "bert-frozen": {"dropout": 0.4},
    "bert-finetuned": {"attention_dropout": 0.2, "hidden_dropout": 0.2},
    "bow": {"max_features": 1000, "dropout": 0.4},
}
TRAINING = TrainingConfig(epochs=3, batch_size=8, accumulation_steps=2, learning_rate=0.01, eval_batch_size=7)
REVIEWS_A_STEP = 16  # of the 48, so that an epoch has three steps


class Killed(BaseException):
    """What ends a process without a word to the trainer."""


class KilledAt(Progress):
    """Ends the process once so many reviews are trained or evaluated in it, or at its n-th call of progress."""

    def __init__(self, *, reviews: float = float("inf"), calls: float = float("inf")) -> None:
        super().__init__()
        self.reviews, self.calls = reviews, calls

    def advance(self, reviews: int, note: str = "") -> None:
        self.reviews -= reviews
        self.calls -= 1
        if self.reviews <= 0 or self.calls <= 0:
            raise Killed


@pytest.fixture(scope="session")
def pieces(small_corpus, tiny_encoder, tmp_path_factory):
    """The small corpus as word pieces."""
    tokens = TokensConfig(max_length=24)
    return build_data(small_corpus, tokens, "wordpiece", tiny_encoder, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def process(words, pieces, tiny_encoder, tmp_path):
    """`process("rnn", "folder")` is a new process that trains there and then scores the test part."""

    def run(name: str, folder: str, progress: Any = None, interval: CheckpointInterval = EACH_STEP) -> Any:
        seed_everything(5)
        spec = get_model_spec(name)
        data = pieces if spec.tokenizer == "wordpiece" else words
        encoder = tiny_encoder if spec.tokenizer == "wordpiece" else None
        model = spec.build(
            spec.config_class(name=name, **SETTINGS[name]),
            ModelContext(data.tokenizer.vocab_size, encoder_dir=encoder),
        )
        if spec.prepare is not None:
            spec.prepare(model, data.parts["train"].evaluation_batches(TRAINING.eval_batch_size))
        made = Trainer(model, TRAINING, seed=5, device=CPU, precision="fp32", progress=progress)
        checkpoints = CheckpointFolder(tmp_path / folder, "run", {}, interval)
        fit = made.fit(data.parts["train"], data.parts["val"], checkpoints)
        predictions = made.predict(data.parts["test"], checkpoints.saved_logits("test"))
        epochs = [replace(epoch, train_seconds=0.0, val_seconds=0.0) for epoch in fit.epochs]
        return epochs, fit.best_epoch, predictions.logits.tobytes(), predictions.loss

    return run


@pytest.mark.parametrize("name", list(SETTINGS))
def test_killed_again_and_again_it_ends_as_undisturbed(process, name):
    undisturbed = process(name, "undisturbed")
    kills = 0
    while True:  # each process gets a step or a batch of an evaluation further than the one before, or two
        try:
            ended = process(name, "killed", KilledAt(calls=4))
            break
        except Killed:
            kills += 1
        assert kills < 50, "no process got further"

    assert kills > 5
    assert ended == undisturbed


@pytest.mark.parametrize("steps_done", [1, 2, 4])
def test_no_step_that_is_on_disk_is_trained_again(process, tmp_path, steps_done):
    with pytest.raises(Killed):
        process("rnn", "killed", KilledAt(reviews=steps_done * REVIEWS_A_STEP + 24 * (steps_done > 3)))
    at_disk = last_step(tmp_path / "killed")
    progress = Mock(spec=Progress)
    process("rnn", "killed", progress)

    assert at_disk == steps_done - 1  # the kill came before the checkpoint of its step
    # training alone gives progress a note, its loss
    assert sum(len(call.args) == 2 for call in progress.advance.call_args_list) == 9 - at_disk


def test_a_checkpoint_whose_writing_was_killed_costs_one_step(process, monkeypatch, tmp_path):
    undisturbed = process("lstm", "undisturbed")
    written, save_file = [], checkpoint.save_file

    def killed_in_the_fifth(weights: Any, file: Any) -> None:
        written.append(file)
        if len(written) == 3 * 4 + 2:  # three files each
            file.write_bytes(b"half of it")
            raise Killed
        save_file(weights, file)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", killed_in_the_fifth)
        with pytest.raises(Killed):
            process("lstm", "killed")

    assert last_step(tmp_path / "killed") == 3  # the fourth checkpoint, after step 3, ends the first epoch
    assert process("lstm", "killed") == undisturbed


@pytest.mark.parametrize(
    ("reviews", "damaged"),
    [(48 + 24 + 2 * REVIEWS_A_STEP, "step-*/optimizer.safetensors"), (3 * (48 + 24) + 15, "test.logits")],
)
def test_damaged_files_are_made_again_and_training_ends_alike(process, tmp_path, caplog, reviews, damaged):
    undisturbed = process("rnn", "undisturbed")
    with pytest.raises(Killed):
        process("rnn", "killed", KilledAt(reviews=reviews))
    newest = max((tmp_path / "killed").glob(damaged))
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)

    assert process("rnn", "killed") == undisturbed
    assert (newest.parent.name if "*" in damaged else newest.name) in caplog.text


def test_reviews_that_were_scored_are_not_read_again(process):
    with pytest.raises(Killed):
        process("rnn", "killed", KilledAt(reviews=3 * (48 + 24) + 15))  # in the third batch of test
    progress = Mock(spec=Progress)
    process("rnn", "killed", progress)
    read = [(name, values[0]) for name, values, _ in progress.method_calls if name in {"advance", "skip"}]

    # no step of training; three batches of test, on disk before the kill, are known at once, and then comes the last
    assert read == [("skip", 0), ("skip", 21), ("advance", 4)]


def test_time_alone_decides_where_no_steps_are_asked_for(process, tmp_path, monkeypatch):
    process("rnn", "never", interval=CheckpointInterval(seconds=1e9))
    assert not list((tmp_path / "never").glob("*.logits"))

    process("rnn", "always", interval=CheckpointInterval(seconds=0.0))
    assert list((tmp_path / "always").glob("*.logits"))


def test_the_seconds_before_the_interruption_are_part_of_the_epoch(process, tmp_path):
    with pytest.raises(Killed):
        process("rnn", "killed", KilledAt(reviews=2 * REVIEWS_A_STEP))
    before = CheckpointFolder(tmp_path / "killed", "run", {}).load().unfinished.seconds
    process("rnn", "killed")
    after = CheckpointFolder(tmp_path / "killed", "run", {}).load()

    assert after.epochs[0].train_seconds > before > 0
    assert after.unfinished == checkpoint.PartialEpoch()
    assert np.isfinite(after.epochs[0].train_loss)
