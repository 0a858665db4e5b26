"""Pre-trained encoders, read from a folder with or without weights.

B reviews in the batch, E width of the encoder, T tokens.
"""

from __future__ import annotations

import copy
import logging
import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from data_pipeline.encoder_kinds import KINDS, MEANINGLESS
from data_pipeline.errors import DataError
from models.configs import FinetunedBertConfig, FrozenBertConfig
from models.cpu_kernels import ATTENTION, FirstTokenAttention, register_attention, replace_dropout
from models.registry import ModelContext

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


# Weights that no encoder's states depend on: pooler, heads of the publisher's tasks, buffers of old checkpoints.
# Where the encoder's own names have its kind before them, so are all others but adapters.
HARMLESS = re.compile(
    rf"(.*\.)?(position_ids|token_type_ids)|(({'|'.join(KINDS)})\.)?pooler\..*"
    r"|(cls|classifier|lm_head|pre_classifier|qa_outputs|score|vocab_layer_norm|vocab_projector|vocab_transform)\..*"
)


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
        if context.pretrained:
            encoder, _ = _pretrained_encoder(context.encoder_dir, shape, use_safetensors=True, local_files_only=True)
        else:
            encoder = _random_encoder(shape)
    if context.vocab_size > shape.vocab_size:
        raise ValueError(f"the tokenizer has {context.vocab_size} ids, the encoder {shape.vocab_size}")
    replace_dropout(encoder)
    return encoder


def check_network(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> PreTrainedConfig:
    """Build the encoder of config.json, load weights of these names and shapes, and let it read two tokens.

    The weights are zeros without memory of their own: this takes 0.3 s for a RoBERTa-base. The result is its config.

    Raises:
        DataError: transformers cannot build it, or a weight is missing or left over.
    """
    with quiet_transformers():
        register_attention()
        try:
            shape = _read_shape(folder, None)
            layers = shape.num_hidden_layers
            if not 1 <= layers <= len(shapes):
                raise ValueError(f"num_hidden_layers: {layers} layers, but {len(shapes)} weights")
            with torch.device("meta"):
                wanted = sum(parameter.numel() for parameter in _random_encoder(shape).parameters())
            there = sum(map(math.prod, shapes.values()))
            if wanted > 2 * there:  # before so many missing ones are made
                raise ValueError(f"{there:,} numbers for a network of {wanted:,}")
            zeros = {name: torch.zeros(()).expand(size) for name, size in shapes.items()}
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                encoder, unread = _pretrained_encoder(None, shape, state_dict=zeros)
                read_tokens(encoder, torch.full((1, 2), shape.vocab_size - 1), torch.ones(1, 2, dtype=torch.bool))
            if left := sorted(name for name in unread if not _is_harmless(name, shape.model_type, shapes)):
                raise ValueError(f"{len(left)} weights are left over, such as {left[0]}")
        except Exception as error:  # of transformers, torch or Python, whatever a setting broke
            reason = " ".join(str(error).split())[:130] or type(error).__name__
            raise DataError(f"{folder}: no encoder fits config.json and weights: {reason}. Correct the two.") from error
    return shape


def _read_shape(folder: Path, config: FrozenBertConfig | FinetunedBertConfig | None) -> PreTrainedConfig:
    """Read the settings of config.json that shape the network, with the dropouts of ours.

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
    content = {key: value for key, value in content.items() if key not in MEANINGLESS}
    load: Any = CONFIG_MAPPING[name].from_dict  # its annotation does not know the config's own keys
    return cast("PreTrainedConfig", load(content | dropouts))


def max_tokens(shape: PreTrainedConfig) -> int:
    """Return the most tokens that the encoder reads."""
    return KINDS[shape.model_type].max_positions(int(shape.max_position_embeddings), shape.pad_token_id)


def read_tokens(encoder: PreTrainedModel, input_ids: Tensor, mask: Tensor, **options: bool) -> Any:
    """Return the encoder's output for (B, T) ids and a (B, T) bool mask, True at real tokens."""
    if KINDS[encoder.config.model_type].counts_from_padding:
        # As transformers counts, but from the mask: a token with padding's id is read as a token.
        positions = mask.long().cumsum(dim=1) * mask + encoder.config.pad_token_id
        return encoder(input_ids=input_ids, attention_mask=mask, position_ids=positions, **options)
    return encoder(input_ids=input_ids, attention_mask=mask, **options)


def keep_first_token(encoder: PreTrainedModel) -> None:
    """Let the last layer return the first token's state alone, (B, 1, E), where its kind allows it."""
    if KINDS[encoder.config.model_type].built_as_bert:
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
    read = read_tokens(plain.eval().to(input_ids.device), input_ids, mask, output_attentions=True)
    weights: Tensor = read.attentions[-1][:, :, 0].mean(dim=1)
    return weights


def _class_settings(shape: PreTrainedConfig) -> dict[str, Any]:
    without_pooler = {"add_pooling_layer": False} if KINDS[shape.model_type].built_as_bert else {}
    # In float32 always: transformers would take the checkpoint's type, which may be half.
    return {"attn_implementation": ATTENTION, "dtype": torch.float32, **without_pooler}


def _pretrained_encoder(
    folder: Path | None, shape: PreTrainedConfig, **source: Any
) -> tuple[PreTrainedModel, set[str]]:
    """Return the encoder, and the names of weights that it has no place for."""
    from transformers import MODEL_MAPPING

    model: Any = MODEL_MAPPING[type(shape)]
    encoder, loaded = model.from_pretrained(
        folder,
        config=shape,
        ignore_mismatched_sizes=True,  # refused below; transformers' error points to its hidden report
        output_loading_info=True,
        **source,
        **_class_settings(shape),
    )
    # transformers fills gaps with random weights, drops what it does not know, and only warns.
    absent = sorted(loaded["missing_keys"] | {key[0] for key in loaded["mismatched_keys"]})
    where = f"{folder}: " if folder else ""
    if absent:
        raise ValueError(f"{where}{len(absent)} weights are missing or of another shape, such as {absent[0]}")
    return cast("PreTrainedModel", encoder), set(loaded["unexpected_keys"])


def _is_harmless(name: str, kind: str, names: Collection[str]) -> bool:
    """Return whether the encoder's states do not depend on a weight that it has no place for."""
    prefix = f"{kind}."
    if not name.startswith(prefix) and any(other.startswith(prefix) for other in names):
        return "lora_" not in name and "adapter" not in name
    return HARMLESS.fullmatch(name) is not None


def _random_encoder(shape: PreTrainedConfig, **settings: str) -> PreTrainedModel:
    from transformers import AutoModel

    make: Any = AutoModel.from_config  # not annotated
    return cast("PreTrainedModel", make(shape, **_class_settings(shape) | settings))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' progress bars and messages inside the block."""
    from transformers.utils import logging as talk

    verbosity, has_bar = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity(logging.CRITICAL)
    talk.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        talk.set_verbosity(verbosity)
        if has_bar:
            talk.enable_progress_bar()  # type: ignore[no-untyped-call]
