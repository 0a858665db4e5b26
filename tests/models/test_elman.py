"""Our recurrence computes what torch's RNN computes, forwards and backwards."""

import pytest
import torch
from torch import nn

from models.elman import ElmanRNN

REVIEWS, TOKENS, INPUT, HIDDEN = 4, 9, 5, 6


def both() -> tuple[nn.RNN, ElmanRNN]:
    torch.manual_seed(0)
    theirs, ours = nn.RNN(INPUT, HIDDEN, batch_first=True), ElmanRNN(INPUT, HIDDEN)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def states_and_gradients(network: nn.RNN, inputs: torch.Tensor) -> list[torch.Tensor]:
    """States, last state, and the gradients of the inputs and of each parameter."""
    inputs = inputs.clone().requires_grad_()
    states, last = network(inputs)
    (states.float().square().sum() + last.float().sum()).backward()
    return [states, last, inputs.grad, *(parameter.grad for parameter in network.parameters())]


@pytest.mark.parametrize("tokens", [1, TOKENS])
def test_states_and_gradients_are_those_of_torch(tokens):
    inputs = torch.randn(REVIEWS, tokens, INPUT)

    for expected, found in zip(*(states_and_gradients(network, inputs) for network in both()), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_bf16_stays_close_to_fp32():
    inputs = torch.randn(REVIEWS, TOKENS, INPUT)
    theirs, ours = both()
    exact = states_and_gradients(theirs, inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = states_and_gradients(ours, inputs)

    assert rounded[0].dtype == torch.bfloat16
    for expected, found in zip(exact, rounded, strict=True):
        torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.02 * expected.abs().max().item())


def test_gradients_are_those_of_finite_differences():
    ours = ElmanRNN(INPUT, HIDDEN).double()
    inputs = torch.randn(2, 3, INPUT, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(lambda inputs: ours(inputs)[0], inputs)


def test_a_state_before_the_inputs_is_refused():
    with pytest.raises(ValueError, match="zero"):
        ElmanRNN(INPUT, HIDDEN)(torch.randn(1, 2, INPUT), torch.zeros(1, 1, HIDDEN))
