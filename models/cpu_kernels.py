"""Dropout, attention and recurrence that are faster on a CPU than torch's own; docs/performance.md has the timings.

A heads, B reviews in the batch, D width of a head, E width of the inputs, H hidden, Q queries, T tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ATTENTION = f"{__name__}.attend"  # transformers' name for it; served models have copies of this module
SCORES = 2**21  # attention scores per step, 4 MiB: two reviews of 256 tokens
LEVELS = 2**16  # of a sixteen-bit random number: dropout's rate is met to within 2^-17


class Dropout(nn.Dropout):
    """`nn.Dropout` (Srivastava et al. 2014), its rate rounded to a multiple of 2^-16 on a CPU."""

    def forward(self, states: Tensor) -> Tensor:
        """Return states of any shape, in training each zeroed with probability p and else scaled by 1 / (1 - p)."""
        return drop(states, self.p) if self.training else states


def drop(states: Tensor, p: float) -> Tensor:
    """Return states of any shape, each zeroed with probability p (0 to 1, exclusive) and else scaled by 1 / (1 - p).

    torch draws one random number per element on one core; here one draw of 64 bits decides four elements.
    """
    if p == 0.0:
        return states
    if states.device.type != "cpu":
        return nn.functional.dropout(states, p)
    dropped = min(round(p * LEVELS), LEVELS - 1)
    count = states.numel()
    draws = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    levels = draws.view(torch.int16)[:count].view(states.shape)
    keep = levels >= dropped - LEVELS // 2
    return states * keep.to(states.dtype).mul_(LEVELS / (LEVELS - dropped))


def replace_dropout(network: nn.Module) -> None:
    """Replace torch's dropout in the network by ours, at the same rates."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))


def register_attention() -> None:
    """Register `attend` with transformers, with the mask of its `sdpa`."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def attend(  # noqa: PLR0917  transformers' signature
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Return (B, Q, A, D) attention (Vaswani et al. 2017) and no weights, as transformers asks for it.

    From (B, A, Q, D) queries, (B, A, T, D) keys and values, and a (B, 1, Q, T) bool mask, True at real tokens and
    equal for all queries; None where there is no padding.

    In bf16 on a CPU a few reviews at a time, so that their scores stay in the processor's cache: twice as fast as
    torch's flash kernel. Elsewhere, and in fp32, torch's kernel is as fast and is used.
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
    """Return (B, A, Q, D) for a few reviews; scores are rounded to bf16 once, the softmax computes in fp32 within."""
    shape = query.shape
    rows = bias.expand(-1, shape[1], -1, -1).flatten(0, 1)
    query, key, value = (tensor.flatten(0, 1) for tensor in (query, key, value))
    weights = torch.baddbmm(rows, query, key.mT, alpha=scale).softmax(dim=-1)
    return torch.bmm(drop(weights, dropout), value).view(shape)


class FirstTokenAttention(nn.Module):
    """A BertAttention or RobertaAttention for the first token alone; parameters keep their names.

    A head that reads only [CLS] of the last layer needs no query, output or feed-forward network for that layer's
    other tokens: 14 % of a six-layer encoder's products, forward and backward, with the same logits.
    """

    def __init__(self, attention: nn.Module):
        super().__init__()
        self.self = attention.self
        self.output = attention.output

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, **others: Any
    ) -> tuple[Tensor, None]:
        """Return the first token's state after the attention, (B, 1, E), from (B, T, E)."""
        parts: Any = self.self
        first = hidden_states[:, :1]
        query, key, value = (
            project(states).unflatten(-1, (-1, parts.attention_head_size)).transpose(1, 2)
            for project, states in ((parts.query, first), (parts.key, hidden_states), (parts.value, hidden_states))
        )
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        dropout = parts.dropout.p if self.training else 0.0
        mixed, _ = attend(parts, query, key, value, mask, dropout=dropout, scaling=parts.scaling)
        project_output: Any = self.output
        return project_output(mixed.flatten(2), first), None


class ElmanRNN(nn.RNN):
    """`nn.RNN` (Elman 1990) of one layer, forwards, batch first, with the same parameters.

    torch records every step for autograd and adds T gradients of the (H, H) weights; here they are one product.
    """

    def __init__(self, input_dim: int, hidden_dim: int):
        super().__init__(input_dim, hidden_dim, batch_first=True)

    def forward(self, inputs: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Return (B, T, H) states and the last of them, (1, B, H), from (B, T, E) inputs; the first state is zero.

        Raises:
            ValueError: a state before the inputs is given.
        """
        if hx is not None:
            raise ValueError("the recurrence starts at zero")
        if inputs.device.type != "cpu":
            states, last = super().forward(inputs)
            return states, last
        from_inputs, from_states, bias, other_bias = self.all_weights[0]
        projected = nn.functional.linear(inputs.transpose(0, 1), from_inputs, bias + other_bias)
        states = _Recurrence.apply(projected, from_states.to(projected.dtype))  # type: ignore[no-untyped-call]
        return states.transpose(0, 1), states[-1:]


class _Recurrence(torch.autograd.Function):
    """h[t] = tanh(x[t] + W h[t - 1]), h[-1] = 0: (T, B, H) states from (T, B, H) projected inputs and (H, H)."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, weight: Tensor) -> Tensor:
        states = torch.empty_like(projected)
        torch.tanh(projected[0], out=states[0])
        across = weight.t()
        for before, inputs, state in zip(states, projected[1:], states[1:], strict=False):
            torch.addmm(inputs, before, across, out=state).tanh_()
        ctx.save_for_backward(states, weight)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        states, weight = ctx.saved_tensors
        through = torch.empty_like(states)  # gradients of tanh's inputs
        later = grad[-1]
        for step in range(len(states) - 1, -1, -1):
            torch.ops.aten.tanh_backward.grad_input(later, states[step], grad_input=through[step])
            if step:
                later = torch.addmm(grad[step - 1], through[step], weight)
        return through, through[1:].flatten(0, 1).t() @ states[:-1].flatten(0, 1)
