"""Our dropout is torch's in all but the way its random numbers are drawn."""

import pytest
import torch
from torch import nn

from models.dropout import Dropout, drop, replace_dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_rate_is_met_and_the_mean_kept(p):
    torch.manual_seed(0)
    dropped = drop(torch.ones(1_000_001), p)  # not a multiple of the four that one draw decides

    # four standard errors of a million independent choices
    assert (dropped == 0).float().mean() == pytest.approx(p, abs=4 * (p * (1 - p) / 1e6) ** 0.5)
    assert dropped.max().item() == pytest.approx(1 / (1 - p), rel=1e-3)
    assert dropped.mean().item() == pytest.approx(1.0, abs=4 * (p / (1 - p) / 1e6) ** 0.5)


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    kept = (drop(torch.ones(1_000_000), 0.5) > 0).float() - 0.5

    for distance in (1, 2, 3, 4):
        assert 4 * (kept[:-distance] * kept[distance:]).mean().abs() < 0.004  # a correlation of four standard errors


def test_the_gradient_goes_where_the_states_went():
    states = torch.randn(3, 5, 7, requires_grad=True)
    dropped = drop(states, 0.4)
    dropped.sum().backward()

    torch.testing.assert_close(dropped, states * states.grad)


def test_equal_seeds_drop_alike_and_each_call_anew():
    torch.manual_seed(3)
    first, second = drop(torch.ones(100), 0.5), drop(torch.ones(100), 0.5)
    torch.manual_seed(3)

    assert torch.equal(drop(torch.ones(100), 0.5), first)
    assert not torch.equal(first, second)


def test_bf16_stays_bf16_and_a_rate_next_to_1_keeps_numbers_finite():
    assert drop(torch.ones(10, dtype=torch.bfloat16), 0.1).dtype == torch.bfloat16
    assert drop(torch.ones(1000), 0.999999).isfinite().all()


def test_nothing_is_dropped_in_evaluation_or_at_rate_0():
    states = torch.randn(4)

    assert Dropout(0.5).eval()(states) is states
    assert Dropout(0.0)(states) is states


def test_replaced_throughout_a_network_at_the_same_rates():
    network = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2)), nn.Dropout1d(0.3))
    replace_dropout(network)
    rates = [(type(m), m.p) for m in network.modules() if hasattr(m, "p")]

    assert rates == [(Dropout, 0.1), (Dropout, 0.2), (nn.Dropout1d, 0.3)]
