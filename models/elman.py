"""Elman's recurrence on a CPU, its gradients by hand.

B reviews in the batch, T tokens, E width of the inputs, H hidden.

Elman, "Finding structure in time", 1990. torch's own RNN records every step for autograd, so its backward pass makes
and adds T gradients of the same (H, H) weights; here they are one product over all steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class ElmanRNN(nn.RNN):
    """`nn.RNN` of one layer, forwards, batch first, with the same parameters; not on a CPU it is that very one."""

    def __init__(self, input_dim: int, hidden_dim: int):
        """Build it with torch's own initialisation."""
        super().__init__(input_dim, hidden_dim, batch_first=True)

    def forward(self, inputs: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """(B, T, H) states and (1, B, H) the last of them, out of (B, T, E) inputs; the state before them is zero.

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
    """h[t] = tanh(x[t] + W h[t - 1]), h[-1] = 0: (T, B, H) states out of (T, B, H) projected inputs and (H, H)."""

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
        through = torch.empty_like(states)  # gradients of what tanh is given
        later = grad[-1]
        for step in range(len(states) - 1, -1, -1):
            torch.ops.aten.tanh_backward.grad_input(later, states[step], grad_input=through[step])
            if step:
                later = torch.addmm(grad[step - 1], through[step], weight)
        return through, through[1:].flatten(0, 1).t() @ states[:-1].flatten(0, 1)
