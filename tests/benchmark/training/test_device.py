import pytest
import torch

from benchmark.training.device import DeviceError, resolve_device, resolve_precision
from data_pipeline.errors import InputError
from models.precision import autocast, available_precision, computes_in_bf16
from tests.helpers.facts import assert_names

CPU = torch.device("cpu")


@pytest.fixture
def hardware(monkeypatch):
    """`hardware(cuda=True)` is what torch then sees."""

    def see(*, avx512_bf16=False, amx=False, cuda=False, mps=False, capability=(8, 0)) -> None:
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return see


def test_auto_is_bf16_exactly_where_this_processor_computes_in_it():
    assert resolve_precision("auto", CPU) == ("bf16" if computes_in_bf16(CPU) else "fp32")


@pytest.mark.parametrize(
    ("there", "asked", "device", "expected"),
    [
        ({}, "auto", "cpu", "fp32"),
        ({"avx512_bf16": True}, "auto", "cpu", "bf16"),
        ({"amx": True}, "auto", "cpu", "bf16"),
        ({"cuda": True, "capability": (7, 5)}, "auto", "cuda", "fp32"),
        ({"cuda": True, "capability": (8, 0)}, "auto", "cuda", "bf16"),
        ({"cuda": True, "capability": (9, 0)}, "auto", "cuda", "bf16"),
        ({"mps": True}, "auto", "mps", "fp32"),
        ({"avx512_bf16": True}, "fp32", "cpu", "fp32"),
        ({"avx512_bf16": True}, "bf16", "cpu", "bf16"),
        ({"cuda": True}, "fp16", "cuda", "fp16"),
    ],
)
def test_the_precision_is_the_one_asked_for_or_for_auto_the_hardwares(hardware, there, asked, device, expected):
    hardware(**there)

    assert resolve_precision(asked, torch.device(device)) == expected


@pytest.mark.parametrize(("asked", "device"), [("bf16", "cpu"), ("fp16", "cpu"), ("fp16", "mps")])
def test_a_precision_that_the_device_lacks_is_refused_with_advice(hardware, asked, device):
    hardware()

    with pytest.raises(DeviceError) as error:
        resolve_precision(asked, torch.device(device))
    assert isinstance(error.value, InputError)
    assert_names(error, "training.precision", *(["CUDA", device] if asked == "fp16" else ["AMX"]), asked, "auto")


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        ({}, "auto", "cpu"),
        ({"mps": True}, "auto", "mps"),
        ({"cuda": True}, "auto", "cuda"),
        ({"cuda": True, "mps": True}, "auto", "cuda"),
        ({"cuda": True}, "cpu", "cpu"),
    ],
)
def test_auto_takes_the_fastest_device_there_is(hardware, there, asked, expected):
    hardware(**there)

    assert resolve_device(asked).type == expected


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_with_advice(hardware, device):
    hardware()
    with pytest.raises(DeviceError, match=f"--device {device}.*--device auto"):
        resolve_device(device)


@pytest.mark.parametrize(
    ("there", "device", "available"),
    [
        ({}, "cpu", ["fp32"]),
        ({"avx512_bf16": True}, "cpu", ["fp32", "bf16"]),
        ({"cuda": True, "capability": (7, 5)}, "cuda", ["fp32", "fp16"]),
        ({"cuda": True}, "cuda", ["fp32", "bf16", "fp16"]),
    ],
)
def test_a_saved_model_computes_in_its_precision_or_in_fp32(hardware, there, device, available):
    hardware(**there)

    for recorded in ("fp32", "bf16", "fp16"):
        expected = recorded if recorded in available else "fp32"
        assert available_precision(recorded, torch.device(device)) == expected


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_matrix_products_are_done_in_the_precision(precision, dtype):
    with autocast(precision, CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)

    assert product.dtype == dtype
