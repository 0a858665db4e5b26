"""Generated config.json of an encoder: refused in one line, or the states are those of transformers' own model.

Every test run tries the same few dozen. Two thousand, other ones each time, and how many of them were refused:

    HYPOTHESIS_PROFILE=thorough .venv/bin/python -m pytest -n0 --hypothesis-show-statistics tests/benchmark/plan/test_encoder_fuzz.py
"""  # noqa: E501  a command on one line

import json
import math
import os
import shutil

import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from transformers import CONFIG_MAPPING, AutoModel

from benchmark.plan.encoder import check_encoder
from data_pipeline.encoder import resolve_encoder
from data_pipeline.encoder_kinds import KINDS, MEANINGLESS
from models.pretrained import quiet_transformers
from models.registry import ModelContext
from tests.helpers.encoders import reviews, write_encoder
from tests.helpers.hostility import outcome
from tests.helpers.networks import finetuned

pytestmark = pytest.mark.process
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

KEYS = {kind: sorted({*CONFIG_MAPPING[kind]().to_dict(), *KINDS[kind].settings} - {"model_type"}) for kind in KINDS}
MORE = [
    *("position_embedding_type", "pruned_heads", "quantization_config", "adapters", "use_return_dict", "auto_map"),
    *("embedding_size", "rope_theta", "sliding_window", "torchscript", "attn_implementation", "tie_weights"),
]
VALUES = [
    *(None, True, False, 0, 1, 2, 3, 4, 5, 8, 16, 25, 32, 33, 64, 128, -1, 10**9, 10**30),
    *(0.0, 0.1, 0.5, 1e-12, 2.0, -0.5, math.inf, math.nan, [], [1], {}, {"a": 1}, {"0": [1]}),
    *("", "x", "gelu", "relu", "gelu_new", "silu", "tanh", "eager", "sdpa", "relative_key", "absolute", "float16", "0"),
    *("\N{PILE OF POO}", "x" * 400, "a\nb"),
]
values = st.one_of(st.sampled_from(VALUES), st.integers(-5, 70), st.floats(), st.text(max_size=5))


@st.composite
def changes(draw):
    """A kind, keys of config.json with other values, and keys that are left out."""
    kind = draw(st.sampled_from(list(KINDS)))
    keys = st.one_of(st.sampled_from(KEYS[kind]), st.sampled_from(MORE), st.text(min_size=1, max_size=8))
    lost = draw(st.lists(st.sampled_from(KEYS[kind]), max_size=1))
    return kind, draw(st.dictionaries(keys, values, min_size=1, max_size=2)), lost


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return {kind: write_encoder(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@torch.no_grad()
def plain_states(folder, batch) -> torch.Tensor:
    """Compute the last layer's states with transformers alone, in float32."""
    with quiet_transformers():
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        return model(input_ids=batch.input_ids, attention_mask=batch.attention_mask.long())[0]


@settings(
    max_examples=2000 if THOROUGH else 60,
    derandomize=not THOROUGH,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(changes())
def test_a_config_is_refused_in_one_line_or_read_as_transformers_reads_it(written, tmp_path, changed):
    kind, said, lost = changed
    folder = tmp_path / "encoder"
    shutil.copytree(written[kind], folder, dirs_exist_ok=True)
    content = json.loads((written[kind] / "config.json").read_text()) | said
    (folder / "config.json").write_text(json.dumps({key: value for key, value in content.items() if key not in lost}))
    if line := outcome(lambda: check_encoder(resolve_encoder(folder))):
        event("refused")
        assert len(line.replace(str(folder), "")) < 300
        return
    batch = reviews([9, 4, 1], KINDS[kind].pad_id)
    finetuned(ModelContext(12, encoder_dir=folder, pretrained=False))  # as a saved model is built
    ours = finetuned(ModelContext(12, encoder_dir=folder), pooling="mean").eval()._encode(batch, every_layer=False)[0]
    try:
        theirs = plain_states(folder, batch)
        event("read as transformers reads it")
    except Exception:  # noqa: BLE001  whatever a setting broke there
        event("overridden, where transformers itself fails")
        assert {*said, *lost} & MEANINGLESS
        theirs = plain_states(written[kind], batch)
    real = batch.attention_mask
    torch.testing.assert_close(ours[real], theirs[real], rtol=0, atol=1e-5, equal_nan=True)
