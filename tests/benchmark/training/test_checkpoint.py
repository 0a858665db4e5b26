"""Checkpoints on disk: whole or not there, checked when read, the newest two."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.records import EpochRecord
from benchmark.training import checkpoint
from benchmark.training.checkpoint import Checkpoint, CheckpointError, CheckpointFolder, Unfinished, last_step
from data_pipeline.errors import InputError

MACHINE = {"threads": "2", "torch": "2.13.0"}
FILES = {
    *("SHA256SUMS", "best.safetensors", "checkpoint.json"),
    *("model.safetensors", "optimizer.safetensors", "random.safetensors"),
}


def after(epoch: int, best: int = 1) -> Checkpoint:
    """What a training might be after this epoch; each number in it tells the epoch."""
    return Checkpoint(
        epochs=tuple(EpochRecord(n, 1 / n, 0.1 / n, 0.5, 1e-3, 2.0, 1.0) for n in range(1, epoch + 1)),
        unfinished=Unfinished(),
        best_epoch=best,
        step=10 * epoch,
        model={"matrix": torch.full((2, 3), float(epoch)), "halves": torch.ones(2, dtype=torch.float16)},
        optimizer={"0.step": torch.tensor(10.0 * epoch), "0.exp_avg": torch.full((3, 2), float(epoch)).T},
        random={"torch": torch.arange(5, dtype=torch.uint8)},
        values={"random": {"python": [3, [1, 2], None]}, "scaler": {}},
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "deep" / "run"


@pytest.fixture
def opened(folder):
    """`opened()` is the folder as a new process finds it."""
    return lambda identity="run-1", machine=MACHINE: CheckpointFolder(folder, identity, machine)


def saved(opened, *epochs: int, best: int = 1) -> CheckpointFolder:
    checkpoints = opened()
    for epoch in epochs:
        checkpoints.save(after(epoch, best))
    return checkpoints


def test_there_is_nothing_to_go_on_from_at_first(opened, folder):
    assert opened().load() is None
    assert last_step(folder) == 0
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


def test_the_best_epochs_weights_stay_when_their_checkpoint_is_gone(opened):
    saved(opened, 1, 2, 3, 4, best=1)
    checkpoints = opened()
    checkpoints.load()

    assert torch.equal(checkpoints.best_weights()["matrix"], torch.ones(2, 3))


def test_a_checkpoint_within_an_epoch_keeps_the_best_weights_of_the_epochs_before(opened):
    checkpoints = saved(opened, 1)
    within = replace(after(2), epochs=after(1).epochs, unfinished=Unfinished(steps=3, loss=0.1 + 0.2, seconds=1.5))
    checkpoints.save(within)
    read = opened().load()

    assert (read.unfinished, read.best_epoch, len(read.epochs)) == (within.unfinished, 1, 1)
    assert torch.equal(checkpoints.best_weights()["matrix"], torch.ones(2, 3))


def test_a_checkpoint_within_the_first_epoch_has_no_best_weights_yet(opened, folder):
    checkpoints = opened()
    checkpoints.save(replace(after(1, best=0), epochs=(), unfinished=Unfinished(steps=10)))

    assert opened().load().epochs == ()
    assert {path.name for path in (folder / "step-000000010").iterdir()} == FILES - {"best.safetensors"}
    checkpoints.save(after(2, best=1 + 1))
    assert torch.equal(checkpoints.best_weights()["matrix"], torch.full((2, 3), 2.0))


def test_going_back_forgets_evaluations_of_networks_that_may_not_come_again(opened, folder):
    saved(opened, 1, 2)
    (folder / "val-0002.logits").write_bytes(b"")
    opened().load()
    assert (folder / "val-0002.logits").exists()

    (folder / "step-000000020" / "model.safetensors").write_bytes(b"")
    opened().load()
    assert not (folder / "val-0002.logits").exists()


def test_a_better_epochs_weights_take_their_place(opened):
    checkpoints = saved(opened, 1, 2)
    checkpoints.save(after(3, best=3))

    assert torch.equal(checkpoints.best_weights()["matrix"], torch.full((2, 3), 3.0))


def test_no_more_than_two_are_kept(opened, folder):
    saved(opened, 1, 2, 3, 4, 5)

    assert sorted(path.name for path in folder.iterdir()) == ["step-000000040", "step-000000050"]
    assert {path.name for path in (folder / "step-000000050").iterdir()} == FILES


def test_nothing_is_left_when_the_run_is_over(opened, folder):
    saved(opened, 1, 2).clear()

    assert not folder.exists()


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
    assert "step-000000020 is damaged" in caplog.text
    assert last_step(folder) == 10


def test_where_all_are_damaged_training_starts_again(opened, folder):
    saved(opened, 1, 2)
    for path in folder.glob("*/model.safetensors"):
        path.write_bytes(b"")

    assert opened().load() is None


def test_a_checkpoint_of_another_run_is_refused_in_words(opened):
    saved(opened, 1)

    with pytest.raises(CheckpointError, match=r"step-000000010 belongs to run run-1 .*not to run-2 .*--fresh"):
        opened("run-2").load()


def test_a_checkpoint_of_another_version_is_refused_in_words(opened, monkeypatch):
    saved(opened, 1)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_VERSION", 99)

    with pytest.raises(CheckpointError, match=r"version 2\).*version 99\); run with --fresh"):
        opened().load()


def test_going_on_under_other_conditions_is_refused_in_words(opened):
    saved(opened, 1)

    with pytest.raises(CheckpointError, match=r"begun under other conditions \(threads 2 then, 4 now\).*--fresh"):
        opened(machine=MACHINE | {"threads": "4"}).load()


def test_a_refusal_is_wrong_input_and_no_crash():
    assert issubclass(CheckpointError, InputError)


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


def test_what_a_kill_left_half_written_is_no_hindrance(opened, folder):
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


def test_best_weights_of_a_folder_without_checkpoints_are_refused_in_words(opened):
    with pytest.raises(CheckpointError, match=r"no checkpoint; run with --fresh"):
        opened().best_weights()


def test_checkpoints_can_be_checked_by_hand(opened, folder):
    """SHA256SUMS is what `sha256sum --check` reads."""
    saved(opened, 1)
    lines = (folder / "step-000000010" / "SHA256SUMS").read_text().splitlines()

    assert {line.split("  ")[1] for line in lines} == FILES - {"SHA256SUMS"}
    assert all(len(line.split("  ")[0]) == 64 for line in lines)
    assert np.unique(lines).size == len(lines)
