"""Which precision a device is given."""

import pytest
import torch

from models.precision import available_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("recorded", ["fp32", "bf16", "fp16"])
def test_a_processor_without_a_precision_computes_in_single(monkeypatch, recorded, there):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: there)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)

    assert available_precision(recorded, CPU) == ("bf16" if recorded == "bf16" and there else "fp32")


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16")])
def test_a_graphics_card_has_halves_of_one_kind_always(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    assert available_precision("bf16", CUDA) == expected
    assert available_precision("fp16", CUDA) == "fp16"
