"""Attention, dropout and recurrence for a CPU compute what torch's own compute."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models import cpu_kernels
from models.cpu_kernels import Dropout, ElmanRNN, attend, drop, replace_dropout
from tests.helpers.networks import finetuned


class TestAttention:
    REVIEWS, HEADS, TOKENS, WIDTH = 5, 3, 11, 8
    MASK = (torch.arange(TOKENS) < torch.tensor([11, 4, 1, 11, 7])[:, None])[:, None, None, :].expand(-1, 1, TOKENS, -1)

    def random_inputs(self, dtype: torch.dtype) -> list[Tensor]:
        torch.manual_seed(0)
        return [
            torch.randn(self.REVIEWS, self.HEADS, self.TOKENS, self.WIDTH).to(dtype).requires_grad_() for _ in range(3)
        ]

    @staticmethod
    def exact(inputs: list[Tensor], mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Output and gradients of torch's own attention in fp32."""
        wide = [tensor.detach().float().requires_grad_() for tensor in inputs]
        output = scaled_dot_product_attention(*wide, attn_mask=mask).transpose(1, 2)
        output.square().sum().backward()
        return output, [tensor.grad for tensor in wide]

    @pytest.mark.parametrize("mask", [None, MASK], ids=["no padding", "padding"])
    @pytest.mark.parametrize("reviews_per_step", [1, 2, 5])
    def test_bf16_computes_what_torch_computes_in_fp32(self, monkeypatch, reviews_per_step, mask):
        monkeypatch.setattr(cpu_kernels, "SCORES", reviews_per_step * self.HEADS * self.TOKENS * self.TOKENS)
        inputs = self.random_inputs(torch.bfloat16)
        output, weights = attend(nn.Module(), *inputs, mask)
        output.float().square().sum().backward()
        expected, gradients = self.exact(inputs, mask)

        assert weights is None
        assert output.dtype == torch.bfloat16
        torch.testing.assert_close(output.float(), expected, rtol=0, atol=0.02)  # on values up to 2; bf16 keeps 8 bits
        for tensor, gradient in zip(inputs, gradients, strict=True):
            torch.testing.assert_close(tensor.grad.float(), gradient, rtol=0, atol=0.01 * gradient.abs().max().item())

    def test_fp32_is_left_to_torch(self):
        inputs = self.random_inputs(torch.float32)

        assert torch.equal(attend(nn.Module(), *inputs, self.MASK)[0], self.exact(inputs, self.MASK)[0])

    def test_content_of_padding_is_ignored_and_scale_is_the_given_one(self):
        query, key, value = self.random_inputs(torch.bfloat16)
        before = attend(nn.Module(), query, key, value, self.MASK)[0]
        padding = ~self.MASK[:, :, 0, :, None]
        other_key, other_value = key.masked_fill(padding, 50.0), value.masked_fill(padding, 50.0)
        even = attend(nn.Module(), query, key, value, None, scaling=0.0)[0].float()

        assert torch.equal(attend(nn.Module(), query, other_key, other_value, self.MASK)[0], before)
        torch.testing.assert_close(even[:, 0], value.float().mean(dim=2), rtol=0, atol=0.01)  # all tokens count alike

    def test_dropout_drops_weights_and_keeps_the_mean(self):
        inputs = [tensor.detach() for tensor in self.random_inputs(torch.bfloat16)]
        whole = attend(nn.Module(), *inputs, None)[0].float()
        draws = torch.stack([attend(nn.Module(), *inputs, None, dropout=0.3)[0].float() for _ in range(500)])

        assert not torch.equal(draws[0], draws[1])
        torch.testing.assert_close(draws.mean(dim=0), whole, rtol=0, atol=0.15)  # 6 standard errors

    def test_bert_uses_it(self, context, make_batch, monkeypatch):
        steps = []
        monkeypatch.setattr(cpu_kernels, "_attend", lambda query, *_, **__: steps.append(len(query)) or query)
        with torch.autocast("cpu", torch.bfloat16):
            finetuned(context)(make_batch([7, 2, 12]))

        assert steps == [3, 3]  # all reviews at once in both layers: they are short

    @pytest.mark.parametrize("bf16", [False, True])
    def test_first_token_alone_gives_the_same_logits_and_gradients(self, context, make_batch, monkeypatch, bf16):
        batch = make_batch([7, 2, 12], padding=3)

        def logits_and_gradients() -> tuple[Tensor, dict[str, Tensor]]:
            model = finetuned(context, pooling="cls")
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = model(batch)
            logits.square().sum().backward()
            return logits, {name: parameter.grad for name, parameter in model.named_parameters()}

        logits, gradients = logits_and_gradients()
        monkeypatch.setattr("models.bert.keep_first_token", lambda encoder: None)
        expected, expected_gradients = logits_and_gradients()

        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-2 if bf16 else 1e-6)
        assert gradients.keys() == expected_gradients.keys()
        for name, gradient in expected_gradients.items():
            bound = (0.05 if bf16 else 1e-4) * max(1e-3, gradient.abs().max().item())
            torch.testing.assert_close(gradients[name], gradient, rtol=0, atol=bound, msg=name)


class TestDropout:
    @pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
    def test_rate_is_met_and_the_mean_kept(self, p):
        torch.manual_seed(0)
        dropped = drop(torch.ones(1_000_001), p)  # not a multiple of the four that one draw decides

        # four standard errors of a million independent choices
        assert (dropped == 0).float().mean() == pytest.approx(p, abs=4 * (p * (1 - p) / 1e6) ** 0.5)
        assert dropped.max().item() == pytest.approx(1 / (1 - p), rel=1e-3)
        assert dropped.mean().item() == pytest.approx(1.0, abs=4 * (p / (1 - p) / 1e6) ** 0.5)

    def test_neighbours_are_dropped_independently(self):
        torch.manual_seed(0)
        kept = (drop(torch.ones(1_000_000), 0.5) > 0).float() - 0.5

        for distance in (1, 2, 3, 4):
            assert 4 * (kept[:-distance] * kept[distance:]).mean().abs() < 0.004  # a correlation of 4 standard errors

    def test_gradient_goes_where_the_states_went(self):
        states = torch.randn(3, 5, 7, requires_grad=True)
        dropped = drop(states, 0.4)
        dropped.sum().backward()

        torch.testing.assert_close(dropped, states * states.grad)

    def test_equal_seeds_drop_alike_and_each_call_anew(self):
        torch.manual_seed(3)
        first, second = drop(torch.ones(100), 0.5), drop(torch.ones(100), 0.5)
        torch.manual_seed(3)

        assert torch.equal(drop(torch.ones(100), 0.5), first)
        assert not torch.equal(first, second)

    def test_bf16_stays_bf16_and_a_rate_next_to_1_keeps_numbers_finite(self):
        assert drop(torch.ones(10, dtype=torch.bfloat16), 0.1).dtype == torch.bfloat16
        assert drop(torch.ones(1000), 0.999999).isfinite().all()

    def test_nothing_is_dropped_in_evaluation_or_at_rate_0(self):
        states = torch.randn(4)

        assert Dropout(0.5).eval()(states) is states
        assert Dropout(0.0)(states) is states

    def test_replaced_throughout_a_network_at_the_same_rates(self):
        network = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2)), nn.Dropout1d(0.3))
        replace_dropout(network)
        rates = [(type(m), m.p) for m in network.modules() if hasattr(m, "p")]

        assert rates == [(Dropout, 0.1), (Dropout, 0.2), (nn.Dropout1d, 0.3)]


class TestElman:
    REVIEWS, TOKENS, INPUT, HIDDEN = 4, 9, 5, 6

    def both(self) -> tuple[nn.RNN, ElmanRNN]:
        torch.manual_seed(0)
        theirs, ours = nn.RNN(self.INPUT, self.HIDDEN, batch_first=True), ElmanRNN(self.INPUT, self.HIDDEN)
        ours.load_state_dict(theirs.state_dict())
        return theirs, ours

    @staticmethod
    def states_and_gradients(network: nn.RNN, inputs: torch.Tensor) -> list[torch.Tensor]:
        """States, last state, and the gradients of the inputs and of each parameter."""
        inputs = inputs.clone().requires_grad_()
        states, last = network(inputs)
        (states.float().square().sum() + last.float().sum()).backward()
        return [states, last, inputs.grad, *(parameter.grad for parameter in network.parameters())]

    @pytest.mark.parametrize("tokens", [1, TOKENS])
    def test_states_and_gradients_are_those_of_torch(self, tokens):
        inputs = torch.randn(self.REVIEWS, tokens, self.INPUT)
        results = (self.states_and_gradients(network, inputs) for network in self.both())

        for expected, found in zip(*results, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)

    def test_bf16_stays_close_to_fp32(self):
        inputs = torch.randn(self.REVIEWS, self.TOKENS, self.INPUT)
        theirs, ours = self.both()
        exact = self.states_and_gradients(theirs, inputs)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = self.states_and_gradients(ours, inputs)

        assert rounded[0].dtype == torch.bfloat16
        for expected, found in zip(exact, rounded, strict=True):
            torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.02 * expected.abs().max().item())

    def test_gradients_are_those_of_finite_differences(self):
        ours = ElmanRNN(self.INPUT, self.HIDDEN).double()
        inputs = torch.randn(2, 3, self.INPUT, dtype=torch.float64, requires_grad=True)

        assert torch.autograd.gradcheck(lambda inputs: ours(inputs)[0], inputs)

    def test_a_state_before_the_inputs_is_refused(self):
        with pytest.raises(ValueError, match="zero"):
            ElmanRNN(self.INPUT, self.HIDDEN)(torch.randn(1, 2, self.INPUT), torch.zeros(1, 1, self.HIDDEN))
