"""The pre-trained encoders that a classifier may stand on: read from a folder, with weights or without."""

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

from models.attention import NAME, FirstTokenAttention, register_attention
from models.configs import FinetunedBertConfig, FrozenBertConfig
from models.dropout import replace_dropout
from models.registry import ModelContext

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """What transformers calls differently from one kind of encoder to another.

    Attributes:
        attention_dropout: key of the config for dropout on attention weights.
        hidden_dropout: key of the config for dropout on hidden states.
        has_pooler: its class puts a layer on [CLS] that is of no use here, unless it is told not to.
        has_bert_layers: its layers are built as BERT's, by the same names.
    """

    attention_dropout: str
    hidden_dropout: str
    has_pooler: bool
    has_bert_layers: bool


KINDS = {  # by `model_type` of config.json
    "bert": EncoderKind("attention_probs_dropout_prob", "hidden_dropout_prob", has_pooler=True, has_bert_layers=True),
    "distilbert": EncoderKind("attention_dropout", "dropout", has_pooler=False, has_bert_layers=False),
    "roberta": EncoderKind(
        "attention_probs_dropout_prob", "hidden_dropout_prob", has_pooler=True, has_bert_layers=True
    ),
}


def load_encoder(context: ModelContext, config: FrozenBertConfig | FinetunedBertConfig) -> PreTrainedModel:
    """The encoder in the context's folder, in float32; transformers' own report of what it loaded is not shown.

    Raises:
        ValueError: no folder, an encoder of another kind, weights missing, or a tokenizer that knows more ids than the
            encoder.
    """
    if context.encoder_dir is None:
        raise ValueError(f"model {config.name!r} needs the folder of its encoder")
    with quiet_transformers():
        register_attention()
        shape = _shape(context.encoder_dir, config)
        if context.pretrained:
            encoder = _pretrained_encoder(context.encoder_dir, shape)
        else:
            encoder = _encoder_without_weights(shape)
    if context.vocab_size > shape.vocab_size:
        raise ValueError(f"the tokenizer has {context.vocab_size} ids, the encoder {shape.vocab_size}")
    replace_dropout(encoder)
    return encoder


def _shape(folder: Path, config: FrozenBertConfig | FinetunedBertConfig) -> PreTrainedConfig:
    """What config.json says, with the dropouts of the settings.

    Raises:
        ValueError: it is of another kind of encoder.
    """
    from transformers import CONFIG_MAPPING, PreTrainedConfig

    content, _ = PreTrainedConfig.get_config_dict(folder, local_files_only=True)
    name = content.get("model_type", "bert")  # AutoConfig would refuse the first BERTs, which do not say
    if name not in KINDS:
        raise ValueError(f"{folder} holds an encoder of kind {name!r}; known: {', '.join(KINDS)}")
    dropouts: dict[str, float] = {}
    if isinstance(config, FinetunedBertConfig):
        dropouts[KINDS[name].attention_dropout] = config.attention_dropout
        dropouts[KINDS[name].hidden_dropout] = config.hidden_dropout
    load: Any = CONFIG_MAPPING[name].from_pretrained  # its annotation does not know of the config's own keys
    return cast("PreTrainedConfig", load(folder, local_files_only=True, **dropouts))


def max_tokens(shape: PreTrainedConfig) -> int:
    """Tokens that the encoder reads at once; RoBERTa numbers them from the number after padding's."""
    positions = int(shape.max_position_embeddings)
    return positions - int(shape.pad_token_id) - 1 if shape.model_type == "roberta" else positions


def ask_first_token_alone(encoder: PreTrainedModel) -> None:
    """Let the last layer give the first token's state alone, (B, 1, E), where its kind allows it."""
    if KINDS[encoder.config.model_type].has_bert_layers:
        layers: Any = encoder.encoder  # torch knows the types of a module's parts no closer
        layers.layer[-1].attention = FirstTokenAttention(layers.layer[-1].attention)


@torch.no_grad()
def first_token_attention(encoder: PreTrainedModel, input_ids: Tensor, mask: Tensor) -> Tensor:
    """(B, T) float32 weights of the last layer's first token, the mean over the heads; of each row 1 in all.

    No fast attention gives its weights away, so a copy of the encoder computes as transformers' `eager` does.

    Args:
        encoder: as `load_encoder` gave it, whatever it has learned since.
        input_ids: (B, T).
        mask: (B, T) bool, True at real tokens.
    """
    from transformers import AutoModel

    shape = copy.deepcopy(encoder.config)
    make: Any = AutoModel.from_config  # not annotated
    with quiet_transformers(), torch.random.fork_rng(devices=[]):  # what it begins with is laid over
        plain = make(shape, **_class_settings(shape) | {"attn_implementation": "eager"})
    plain.load_state_dict(encoder.state_dict())
    read = plain.eval().to(input_ids.device)(input_ids=input_ids, attention_mask=mask, output_attentions=True)
    weights: Tensor = read.attentions[-1][:, :, 0].mean(dim=1)
    return weights


def _class_settings(shape: PreTrainedConfig) -> dict[str, Any]:
    """What is asked of the encoder's class, with weights or without."""
    without_pooler = {"add_pooling_layer": False} if KINDS[shape.model_type].has_pooler else {}
    # In float32 always: transformers would take the checkpoint's type, which may be half.
    return {"attn_implementation": NAME, "dtype": torch.float32, **without_pooler}


def _pretrained_encoder(folder: Path, shape: PreTrainedConfig) -> PreTrainedModel:
    """The encoder with the folder's weights.

    Raises:
        ValueError: weights are missing.
    """
    from transformers import AutoModel

    encoder, loaded = AutoModel.from_pretrained(
        folder,
        config=shape,
        use_safetensors=True,
        local_files_only=True,
        ignore_mismatched_sizes=True,  # refused below, in words; transformers' error points to its hidden report
        output_loading_info=True,
        **_class_settings(shape),
    )
    # transformers fills gaps with random weights and only warns.
    absent = sorted(loaded["missing_keys"] | {key[0] for key in loaded["mismatched_keys"]})
    if absent:
        raise ValueError(f"{folder} lacks {len(absent)} weights of a BERT, such as {absent[0]}")
    return cast("PreTrainedModel", encoder)


def _encoder_without_weights(shape: PreTrainedConfig) -> PreTrainedModel:
    """The encoder of this shape with random weights."""
    from transformers import AutoModel

    make: Any = AutoModel.from_config  # not annotated
    return cast("PreTrainedModel", make(shape, **_class_settings(shape)))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bar and no warnings from transformers inside; afterwards as it was before."""
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
