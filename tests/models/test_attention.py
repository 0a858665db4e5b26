"""Attention a few reviews at a time is attention."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models import attention
from models.attention import attend
from tests.helpers.networks import finetuned

REVIEWS, HEADS, TOKENS, WIDTH = 5, 3, 11, 8
LENGTHS = torch.tensor([11, 4, 1, 11, 7])


def random_inputs(dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(REVIEWS, HEADS, TOKENS, WIDTH).to(dtype).requires_grad_() for _ in range(3)]


def mask() -> Tensor:
    real = torch.arange(TOKENS) < LENGTHS[:, None]
    return real[:, None, None, :].expand(-1, 1, TOKENS, -1)


def exact(inputs: list[Tensor], attention_mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """Output and gradients of torch's own attention in fp32."""
    wide = [tensor.detach().float().requires_grad_() for tensor in inputs]
    output = scaled_dot_product_attention(*wide, attn_mask=attention_mask).transpose(1, 2)
    output.square().sum().backward()
    return output, [tensor.grad for tensor in wide]


@pytest.mark.parametrize("attention_mask", [None, mask()], ids=["no padding", "padding"])
@pytest.mark.parametrize("reviews_a_step", [1, 2, 5])
def test_bf16_computes_what_torch_computes_in_fp32(monkeypatch, reviews_a_step, attention_mask):
    monkeypatch.setattr(attention, "SCORES", reviews_a_step * HEADS * TOKENS * TOKENS)
    inputs = random_inputs(torch.bfloat16)
    output, weights = attend(nn.Module(), *inputs, attention_mask)
    output.float().square().sum().backward()
    expected, gradients = exact(inputs, attention_mask)

    assert weights is None
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected, rtol=0, atol=0.02)  # on values up to 2; bf16 keeps 8 bits
    for tensor, gradient in zip(inputs, gradients, strict=True):
        torch.testing.assert_close(tensor.grad.float(), gradient, rtol=0, atol=0.01 * gradient.abs().max().item())


def test_fp32_is_left_to_torch():
    inputs = random_inputs(torch.float32)

    assert torch.equal(attend(nn.Module(), *inputs, mask())[0], exact(inputs, mask())[0])


def test_what_stands_in_the_padding_is_not_attended_to():
    query, key, value = random_inputs(torch.bfloat16)
    before = attend(nn.Module(), query, key, value, mask())[0]
    padding = ~mask()[:, :, 0, :, None]
    other_key, other_value = key.masked_fill(padding, 50.0), value.masked_fill(padding, 50.0)

    assert torch.equal(attend(nn.Module(), query, other_key, other_value, mask())[0], before)


def test_the_scale_is_the_one_asked_for():
    query, key, value = random_inputs(torch.bfloat16)

    # at scale 0 all tokens count alike
    even = attend(nn.Module(), query, key, value, None, scaling=0.0)[0].float()
    torch.testing.assert_close(even[:, 0], value.float().mean(dim=2), rtol=0, atol=0.01)


def test_dropout_drops_weights_and_keeps_the_mean():
    torch.manual_seed(0)
    inputs = [tensor.detach() for tensor in random_inputs(torch.bfloat16)]
    whole = attend(nn.Module(), *inputs, None)[0].float()
    draws = torch.stack([attend(nn.Module(), *inputs, None, dropout=0.3)[0].float() for _ in range(500)])

    assert not torch.equal(draws[0], draws[1])
    torch.testing.assert_close(draws.mean(dim=0), whole, rtol=0, atol=0.15)  # 6 standard errors


def test_a_bert_uses_it(context, make_batch, monkeypatch):
    steps = []
    monkeypatch.setattr(attention, "_attend", lambda query, *_, **__: steps.append(len(query)) or query)
    with torch.autocast("cpu", torch.bfloat16):
        finetuned(context)(make_batch([7, 2, 12]))

    assert steps == [3, 3]  # all reviews at once in both layers: they are short


@pytest.mark.parametrize("bf16", [False, True])
def test_asking_the_first_token_alone_changes_no_logits_and_no_gradients(context, make_batch, monkeypatch, bf16):
    batch = make_batch([7, 2, 12], padding=3)

    def logits_and_gradients() -> tuple[Tensor, dict[str, Tensor]]:
        model = finetuned(context, pooling="cls")
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(batch)
        logits.square().sum().backward()
        return logits, {name: parameter.grad for name, parameter in model.named_parameters()}

    logits, gradients = logits_and_gradients()
    monkeypatch.setattr("models.bert.ask_first_token_alone", lambda encoder: None)
    expected, expected_gradients = logits_and_gradients()

    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-2 if bf16 else 1e-6)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in expected_gradients.items():
        bound = (0.05 if bf16 else 1e-4) * max(1e-3, gradient.abs().max().item())
        torch.testing.assert_close(gradients[name], gradient, rtol=0, atol=bound, msg=name)
