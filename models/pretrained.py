"""Pre-trained encoders, read from a folder with or without weights.

B reviews in the batch, E width of the encoder, T tokens.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from models.configs import FinetunedBertConfig, FrozenBertConfig
from models.cpu_kernels import ATTENTION, FirstTokenAttention, register_attention, replace_dropout
from models.registry import ModelContext

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """Differences between the kinds of encoder in transformers."""

    attention_dropout: str  # key of the config
    hidden_dropout: str  # key of the config
    has_pooler: bool  # its class adds an unused layer on [CLS] by default
    has_bert_layers: bool  # its layers are built as BERT's, by the same names


BERT = EncoderKind("attention_probs_dropout_prob", "hidden_dropout_prob", has_pooler=True, has_bert_layers=True)
DISTILBERT = EncoderKind("attention_dropout", "dropout", has_pooler=False, has_bert_layers=False)
KINDS = {"bert": BERT, "distilbert": DISTILBERT, "roberta": BERT}  # by `model_type` of config.json


def load_encoder(context: ModelContext, config: FrozenBertConfig | FinetunedBertConfig) -> PreTrainedModel:
    """Load the encoder in the context's folder, in float32, without printing transformers' own report.

    Raises:
        ValueError: no folder, an encoder of another kind, weights missing, or a tokenizer with more ids than the
            encoder.
    """
    if context.encoder_dir is None:
        raise ValueError(f"model {config.name!r} needs the folder of its encoder")
    with quiet_transformers():
        register_attention()
        shape = _read_shape(context.encoder_dir, config)
        encoder = _pretrained_encoder(context.encoder_dir, shape) if context.pretrained else _random_encoder(shape)
    if context.vocab_size > shape.vocab_size:
        raise ValueError(f"the tokenizer has {context.vocab_size} ids, the encoder {shape.vocab_size}")
    replace_dropout(encoder)
    return encoder


def _read_shape(folder: Path, config: FrozenBertConfig | FinetunedBertConfig) -> PreTrainedConfig:
    """Read config.json, with the dropouts of the settings.

    Raises:
        ValueError: it is of another kind of encoder.
    """
    from transformers import CONFIG_MAPPING, PreTrainedConfig

    content, _ = PreTrainedConfig.get_config_dict(folder, local_files_only=True)
    name = content.get("model_type", "bert")  # AutoConfig would refuse the first BERTs, which do not say
    if name not in KINDS:
        raise ValueError(f"{folder}: unknown kind of encoder (got {name!r}, expected one of {', '.join(KINDS)})")
    dropouts: dict[str, float] = {}
    if isinstance(config, FinetunedBertConfig):
        dropouts[KINDS[name].attention_dropout] = config.attention_dropout
        dropouts[KINDS[name].hidden_dropout] = config.hidden_dropout
    load: Any = CONFIG_MAPPING[name].from_pretrained  # its annotation does not know the config's own keys
    return cast("PreTrainedConfig", load(folder, local_files_only=True, **dropouts))


def max_tokens(shape: PreTrainedConfig) -> int:
    """Return the most tokens that the encoder reads; RoBERTa numbers them from the number after padding's."""
    positions = int(shape.max_position_embeddings)
    return positions - int(shape.pad_token_id) - 1 if shape.model_type == "roberta" else positions


def keep_first_token(encoder: PreTrainedModel) -> None:
    """Let the last layer return the first token's state alone, (B, 1, E), where its kind allows it."""
    if KINDS[encoder.config.model_type].has_bert_layers:
        layers: Any = encoder.encoder
        layers.layer[-1].attention = FirstTokenAttention(layers.layer[-1].attention)


@torch.no_grad()
def first_token_attention(encoder: PreTrainedModel, input_ids: Tensor, mask: Tensor) -> Tensor:
    """Return the (B, T) float32 weights of the last layer's first token, the mean over heads; each row sums to 1.

    Fast attention does not return its weights, so a copy of the encoder computes as transformers' `eager` does.

    Args:
        encoder: from `load_encoder`.
        input_ids: (B, T).
        mask: (B, T) bool, True at real tokens.
    """
    with quiet_transformers(), torch.random.fork_rng(devices=[]):  # its random weights are replaced
        plain: Any = _random_encoder(copy.deepcopy(encoder.config), attn_implementation="eager")
    plain.load_state_dict(encoder.state_dict())
    read = plain.eval().to(input_ids.device)(input_ids=input_ids, attention_mask=mask, output_attentions=True)
    weights: Tensor = read.attentions[-1][:, :, 0].mean(dim=1)
    return weights


def _class_settings(shape: PreTrainedConfig) -> dict[str, Any]:
    without_pooler = {"add_pooling_layer": False} if KINDS[shape.model_type].has_pooler else {}
    # In float32 always: transformers would take the checkpoint's type, which may be half.
    return {"attn_implementation": ATTENTION, "dtype": torch.float32, **without_pooler}


def _pretrained_encoder(folder: Path, shape: PreTrainedConfig) -> PreTrainedModel:
    from transformers import AutoModel

    encoder, loaded = AutoModel.from_pretrained(
        folder,
        config=shape,
        use_safetensors=True,
        local_files_only=True,
        ignore_mismatched_sizes=True,  # refused below; transformers' error points to its hidden report
        output_loading_info=True,
        **_class_settings(shape),
    )
    # transformers fills gaps with random weights and only warns.
    absent = sorted(loaded["missing_keys"] | {key[0] for key in loaded["mismatched_keys"]})
    if absent:
        raise ValueError(f"{folder}: {len(absent)} weights of the encoder are missing, such as {absent[0]}")
    return cast("PreTrainedModel", encoder)


def _random_encoder(shape: PreTrainedConfig, **settings: str) -> PreTrainedModel:
    from transformers import AutoModel

    make: Any = AutoModel.from_config  # not annotated
    return cast("PreTrainedModel", make(shape, **_class_settings(shape) | settings))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' progress bars and warnings inside the block."""
    from transformers.utils import logging as talk

    verbosity, has_bar = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity(logging.ERROR)
    talk.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        talk.set_verbosity(verbosity)
        if has_bar:
            talk.enable_progress_bar()  # type: ignore[no-untyped-call]
