"""Checkpoints on disk: whole or not there, checked when read, the newest two."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
import torch

from benchmark.plan.workspace import Workspace
from benchmark.training import checkpoint
from benchmark.training.checkpoint import (
    CHECKPOINT_VERSION,
    Checkpoint,
    CheckpointError,
    CheckpointFolder,
    PartialEpoch,
    last_step,
)
from benchmark.training.epoch import EpochRecord
from data_pipeline.errors import InputError
from tests.helpers.facts import assert_names

MACHINE = {"threads": "2", "torch": "2.13.0"}
FILES = {
    *("SHA256SUMS", "best.safetensors", "checkpoint.json"),
    *("model.safetensors", "optimizer.safetensors", "random.safetensors"),
}


def after(epoch: int, best: int = 1) -> Checkpoint:
    """What a training might be after this epoch; each number in it tells the epoch."""
    return Checkpoint(
        epochs=tuple(EpochRecord(n, 1 / n, 0.1 / n, 0.5, 1e-3, 2.0, 1.0) for n in range(1, epoch + 1)),
        unfinished=PartialEpoch(),
        best_epoch=best,
        step=10 * epoch,
        model={"matrix": torch.full((2, 3), float(epoch)), "halves": torch.ones(2, dtype=torch.float16)},
        optimizer={"0.step": torch.tensor(10.0 * epoch), "0.exp_avg": torch.full((3, 2), float(epoch)).T},
        random={"torch": torch.arange(5, dtype=torch.uint8)},
        values={"random": {"python": [3, [1, 2], None]}, "scaler": {}},
    )


@pytest.fixture
def folder(tmp_path):
    return Workspace("unused", tmp_path).checkpoint_dir("run")


@pytest.fixture
def opened(folder):
    """`opened()` is the folder as a new process finds it."""
    return lambda identity="run-1", machine=MACHINE: CheckpointFolder(folder, identity, machine)


def saved(opened, *epochs: int, best: int = 1) -> CheckpointFolder:
    checkpoints = opened()
    for epoch in epochs:
        checkpoints.save(after(epoch, best))
    return checkpoints


def test_there_is_nothing_to_resume_before_the_first_checkpoint_and_after_the_last(opened, folder, tmp_path):
    assert opened().load() is None
    assert last_step(folder) == 0
    assert not folder.exists()
    saved(opened, 1, 2)
    Workspace("unused", tmp_path).drop_checkpoints("run")
    assert not folder.exists()


def test_what_is_written_is_read_back(opened, folder):
    saved(opened, 1, 2)
    read, written = opened().load(), after(2)

    assert last_step(folder) == 20
    assert (read.epochs, read.best_epoch, read.step) == (written.epochs, 1, 20)
    assert read.values == written.values
    for kind in ("model", "optimizer", "random"):
        tensors = getattr(read, kind)
        assert tensors.keys() == getattr(written, kind).keys()
        for name, tensor in getattr(written, kind).items():
            assert tensors[name].dtype == tensor.dtype
            assert torch.equal(tensors[name], tensor)


def test_the_best_epochs_weights_stay_when_their_checkpoint_is_gone_until_a_better_one_comes(opened):
    saved(opened, 1, 2, 3, 4, best=1)
    checkpoints = opened()
    checkpoints.load()

    assert torch.equal(checkpoints.best_weights()["matrix"], torch.ones(2, 3))
    checkpoints.save(after(5, best=5))
    assert torch.equal(checkpoints.best_weights()["matrix"], torch.full((2, 3), 5.0))


def test_a_checkpoint_within_an_epoch_keeps_the_best_weights_of_the_epochs_before(opened, folder):
    checkpoints = opened()
    checkpoints.save(replace(after(1, best=0), step=5, epochs=(), unfinished=PartialEpoch(steps=5)))
    assert opened().load().epochs == ()
    assert {path.name for path in (folder / "step-000000005").iterdir()} == FILES - {"best.safetensors"}

    checkpoints.save(after(1))
    within = replace(after(2), epochs=after(1).epochs, unfinished=PartialEpoch(steps=3, loss=0.1 + 0.2, seconds=1.5))
    checkpoints.save(within)
    read = opened().load()
    assert (read.unfinished, read.best_epoch, len(read.epochs)) == (within.unfinished, 1, 1)
    assert torch.equal(checkpoints.best_weights()["matrix"], torch.ones(2, 3))


def test_falling_back_deletes_evaluations_of_later_networks_and_with_none_left_starts_again(opened, folder):
    saved(opened, 1, 2)
    (folder / "val-0002.logits").write_bytes(b"")
    opened().load()
    assert (folder / "val-0002.logits").exists()

    (folder / "step-000000020" / "model.safetensors").write_bytes(b"")
    assert len(opened().load().epochs) == 1
    assert not (folder / "val-0002.logits").exists()

    (folder / "step-000000010" / "model.safetensors").write_bytes(b"")
    assert opened().load() is None


def test_no_more_than_two_are_kept_and_sha256sum_can_check_them(opened, folder):
    saved(opened, 1, 2, 3, 4, 5)
    newest = folder / "step-000000050"
    sums = [line.split("  ") for line in (newest / "SHA256SUMS").read_text().splitlines()]

    assert sorted(path.name for path in folder.iterdir()) == ["step-000000040", newest.name]
    assert {path.name for path in newest.iterdir()} == FILES
    assert sorted(name for _, name in sums) == sorted(FILES - {"SHA256SUMS"})
    assert all(sha256((newest / name).read_bytes()).hexdigest() == checksum for checksum, name in sums)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"!"),
        lambda path: path.write_bytes(b"\xff\xfe"),
    ],
    ids=["missing", "half", "empty", "altered", "no text"],
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(opened, folder, name, damage, caplog):
    saved(opened, 1, 2)
    damage(folder / "step-000000020" / name)
    read = opened().load()

    assert len(read.epochs) == 1
    assert "step-000000020" in caplog.text
    assert last_step(folder) == 10


@pytest.mark.parametrize(
    ("identity", "threads", "version", "facts"),
    [
        ("run-2", "2", CHECKPOINT_VERSION, ["step-000000010", "run-1", "run-2"]),
        ("run-1", "2", 99, ["step-000000010", f"version {CHECKPOINT_VERSION}", "version 99"]),
        ("run-1", "4", CHECKPOINT_VERSION, ["threads", "2", "4"]),
    ],
    ids=["another run", "another version", "other conditions"],
)
def test_a_checkpoint_of_something_else_is_refused(opened, folder, monkeypatch, identity, threads, version, facts):
    saved(opened, 1)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_VERSION", version)

    with pytest.raises(CheckpointError, match="--fresh") as error:
        opened(identity, MACHINE | {"threads": threads}).load()
    assert isinstance(error.value, InputError)
    assert_names(error, *facts)
    assert (folder / "step-000000010").exists()


@pytest.mark.parametrize("end", [OSError("no space left"), KeyboardInterrupt()])
def test_a_write_that_is_cut_short_leaves_what_was_there(opened, folder, monkeypatch, end):
    checkpoints = saved(opened, 1)

    def half_written(weights, file):
        file.write_bytes(b"half of a checkp")
        raise end

    monkeypatch.setattr(checkpoint, "save_file", half_written)
    with pytest.raises(type(end)):
        checkpoints.save(after(2))

    assert len(opened().load().epochs) == 1
    assert [path.name for path in folder.iterdir()] == ["step-000000010"]


def test_what_a_kill_left_half_written_is_ignored(opened, folder):
    saved(opened, 1)
    partial = folder / ".step-000000020.partial"
    partial.mkdir()
    (partial / "model.safetensors").write_bytes(b"half")

    checkpoints = opened()
    assert len(checkpoints.load().epochs) == 1
    checkpoints.save(after(2))
    assert sorted(path.name for path in folder.iterdir()) == ["step-000000010", "step-000000020"]


def test_the_time_before_an_interruption_is_counted(opened, folder):
    saved(opened, 1)
    content = json.loads((folder / "step-000000010" / "checkpoint.json").read_text())

    checkpoints = opened()
    assert checkpoints.seconds < content["seconds"] + 1e3
    checkpoints.load()
    assert checkpoints.seconds >= content["seconds"] > 0


def test_best_weights_of_a_folder_without_checkpoints_are_refused(opened, folder):
    with pytest.raises(CheckpointError, match="--fresh") as error:
        opened().best_weights()
    assert_names(error, folder)
