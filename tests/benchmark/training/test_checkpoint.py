import pytest
import torch

from benchmark.training import checkpoint
from benchmark.training.checkpoint import CheckpointError, load_weights, save_weights
from data_pipeline.errors import InputError

WEIGHTS = {
    "matrix": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "halves": torch.tensor([0.5, -1.0], dtype=torch.float16),
    "count": torch.tensor(7),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "best.safetensors"


def test_what_is_written_is_read_back(path):
    save_weights(path, WEIGHTS)
    read = load_weights(path)

    assert read.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_a_tensor_that_is_trained_or_turned_round_can_be_written(path):
    trained = torch.ones(2, 3, requires_grad=True)
    save_weights(path, {"trained": trained, "turned": WEIGHTS["matrix"].T})
    read = load_weights(path)

    assert torch.equal(read["trained"], torch.ones(2, 3))
    assert not read["trained"].requires_grad
    assert torch.equal(read["turned"], WEIGHTS["matrix"].T)


def test_what_is_read_does_not_change_when_the_file_is_written_again(path):
    save_weights(path, {"weight": torch.zeros(1000)})
    read = load_weights(path)
    save_weights(path, {"weight": torch.ones(1000)})

    assert torch.equal(read["weight"], torch.zeros(1000))


def test_a_later_checkpoint_takes_the_place_of_the_one_before(path):
    save_weights(path, {"old": torch.zeros(1)})
    save_weights(path, WEIGHTS)

    assert load_weights(path).keys() == WEIGHTS.keys()
    assert [file.name for file in path.parent.iterdir()] == ["best.safetensors"]


@pytest.mark.parametrize("kept", [0, 4, 20, -1])
def test_a_truncated_file_is_refused_in_words(path, kept):
    save_weights(path, WEIGHTS)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(CheckpointError, match=r"best\.safetensors: not a whole checkpoint .*run with --fresh"):
        load_weights(path)


def test_a_missing_file_is_refused_in_words(path):
    with pytest.raises(CheckpointError, match=r"best\.safetensors: not a whole checkpoint"):
        load_weights(path)


def test_a_refusal_is_wrong_input_and_no_crash():
    assert issubclass(CheckpointError, InputError)


@pytest.mark.parametrize("end", [OSError("no space left"), KeyboardInterrupt()])
def test_a_write_that_is_cut_short_leaves_the_old_file(path, monkeypatch, end):
    save_weights(path, WEIGHTS)

    def half_written(weights, file):
        file.write_bytes(b"half of a checkp")
        raise end

    monkeypatch.setattr(checkpoint, "save_file", half_written)
    with pytest.raises(type(end)):
        save_weights(path, {"matrix": torch.zeros(2, 3)})

    assert torch.equal(load_weights(path)["matrix"], WEIGHTS["matrix"])


def test_what_a_cut_short_write_left_is_no_hindrance_to_the_next(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", lambda weights, file: file.write_bytes(b"half"))
        patch.setattr("pathlib.Path.replace", lambda *_: None)  # the process is killed between write and rename
        save_weights(path, WEIGHTS)
    save_weights(path, WEIGHTS)

    assert load_weights(path).keys() == WEIGHTS.keys()
    assert [file.name for file in path.parent.iterdir()] == ["best.safetensors"]
