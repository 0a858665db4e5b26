import pytest
import torch

from benchmark.training.precision import (
    PrecisionError,
    resolve_device,
    resolve_precision,
)
from data_pipeline.errors import InputError
from models.precision import autocast, computes_in_bf16

CPU = torch.device("cpu")


@pytest.fixture
def processor(monkeypatch):
    """`processor(avx512_bf16=True)` is what torch then sees."""

    def see(*, avx512_bf16: bool = False, amx: bool = False) -> None:
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)

    return see


@pytest.fixture
def accelerators(monkeypatch):
    """`accelerators(cuda=True)` is what torch then sees."""

    def see(*, cuda: bool = False, mps: bool = False, capability: tuple[int, int] = (8, 0)) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return see


def test_auto_is_bf16_exactly_where_this_processor_computes_in_it():
    assert resolve_precision("auto", CPU) == ("bf16" if computes_in_bf16(CPU) else "fp32")


@pytest.mark.parametrize(
    ("features", "expected"),
    [({}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx": True}, "bf16")],
)
def test_auto_looks_at_the_processor(processor, features, expected):
    processor(**features)

    assert computes_in_bf16(CPU) == (expected == "bf16")
    assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_auto_looks_at_the_graphics_card(accelerators, capability, expected):
    accelerators(cuda=True, capability=capability)

    assert resolve_precision("auto", torch.device("cuda")) == expected


def test_auto_is_fp32_on_a_mac_s_graphics():
    assert resolve_precision("auto", torch.device("mps")) == "fp32"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_asked_for_is_taken_where_the_processor_has_it(processor, precision):
    processor(avx512_bf16=True)

    assert resolve_precision(precision, CPU) == precision


def test_bf16_is_refused_with_advice_where_the_processor_does_not_compute_in_it(processor):
    processor()

    with pytest.raises(PrecisionError, match=r"training\.precision: bf16 needs .*; use auto or fp32"):
        resolve_precision("bf16", CPU)


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_fp16_without_cuda_is_refused_with_advice(device):
    with pytest.raises(PrecisionError, match=f"training.precision: fp16 needs CUDA, this run is on {device}; use auto"):
        resolve_precision("fp16", torch.device(device))


def test_fp16_is_taken_on_cuda():
    assert resolve_precision("fp16", torch.device("cuda")) == "fp16"


@pytest.mark.parametrize(
    ("there", "expected"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True}, "cuda"), ({"cuda": True, "mps": True}, "cuda")],
)
def test_auto_takes_the_fastest_device_there_is(accelerators, there, expected):
    accelerators(**there)

    assert resolve_device("auto").type == expected


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_with_advice(accelerators, device):
    accelerators()
    with pytest.raises(PrecisionError, match=f"--device {device}: torch sees no such device here; use --device auto"):
        resolve_device(device)


def test_the_processor_is_always_there(accelerators):
    accelerators(cuda=True)

    assert resolve_device("cpu") == CPU


def test_a_refusal_is_wrong_use_and_no_crash():
    assert issubclass(PrecisionError, InputError)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_matrix_products_are_done_in_the_precision(precision, dtype):
    with autocast(precision, CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)

    assert product.dtype == dtype
