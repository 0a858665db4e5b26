"""Attention of a BERT in bf16 on a CPU, a few reviews at a time.

B reviews in the batch, A heads, T tokens, Q tokens that ask, D width of a head, E width of the encoder.

Vaswani et al., "Attention Is All You Need", 2017. Why not torch's flash kernel, forward and backward together on two
cores with avx512_bf16, in turn (16 reviews, 12 heads of 32): 31 ms where flash takes 64 at 256 tokens, 9 where it takes
34 at 128, 115 where it takes 200 at 512. What counts is that the scores of a few reviews stay in the processor's cache:
all sixteen at once take up to twice as long at 256 tokens. In fp32 flash is as quick, and stays.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.dropout import drop

NAME = "few-reviews"  # under which transformers knows it
SCORES = 2**21  # of one step, 4 MiB: two reviews of 256 tokens


def register_attention() -> None:
    """Make it known to transformers, with the mask that its `sdpa` gets; doing so again changes nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def attend(  # noqa: PLR0917  the arguments that transformers gives
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers asks of an attention: (B, Q, A, D) out of Q queries and T keys and values; no weights.

    Args:
        module: the attention layer.
        query: (B, A, Q, D).
        key: (B, A, T, D).
        value: (B, A, T, D).
        attention_mask: (B, 1, Q, T) bool, True at real tokens, the same for each query; None: there is no padding.
        dropout: of the attention weights, 0 in evaluation.
        scaling: of the scores; None: 1 / sqrt(D).
        others: are for other kinds of attention.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        output: Tensor = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )[0]
        return output, None
    reviews, heads, tokens, width = key.shape
    bias = key.new_zeros(reviews, 1, 1, tokens)
    if attention_mask is not None:
        bias = bias.masked_fill(~attention_mask[:, :, :1], float("-inf"))
    step = max(1, SCORES // (heads * query.shape[2] * tokens))
    parts = zip(*(torch.split(tensor, step) for tensor in (query, key, value, bias)), strict=True)
    scale = width**-0.5 if scaling is None else scaling
    return torch.cat([_attend(*part, scale=scale, dropout=dropout).transpose(1, 2) for part in parts]), None


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, *, scale: float, dropout: float) -> Tensor:
    """(B, A, Q, D) of a few reviews; the scores are rounded to bf16 once, the softmax computes in fp32 within."""
    shape = query.shape
    rows = bias.expand(-1, shape[1], -1, -1).flatten(0, 1)
    query, key, value = (tensor.flatten(0, 1) for tensor in (query, key, value))
    weights = torch.baddbmm(rows, query, key.mT, alpha=scale).softmax(dim=-1)
    return torch.bmm(drop(weights, dropout), value).view(shape)


class FirstTokenAttention(nn.Module):
    """A BERT layer's attention, asked for the first token alone; parameters keep their names.

    Where the head reads nothing but [CLS] of the last layer, that layer's other tokens need no query, no output and no
    feed-forward network: 14 % of a six-layer encoder's products, forwards and backwards, with the same logits.
    """

    def __init__(self, attention: nn.Module):
        """Take over the parts of a BertAttention or RobertaAttention."""
        super().__init__()
        self.self = attention.self
        self.output = attention.output

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, **others: Any
    ) -> tuple[Tensor, None]:
        """(B, 1, E) the first token's state behind the attention, out of (B, T, E)."""
        parts: Any = self.self
        first = hidden_states[:, :1]
        query, key, value = (
            project(states).unflatten(-1, (-1, parts.attention_head_size)).transpose(1, 2)
            for project, states in ((parts.query, first), (parts.key, hidden_states), (parts.value, hidden_states))
        )
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        dropout = parts.dropout.p if self.training else 0.0
        mixed, _ = attend(parts, query, key, value, mask, dropout=dropout, scaling=parts.scaling)
        behind: Any = self.output
        return behind(mixed.flatten(2), first), None
