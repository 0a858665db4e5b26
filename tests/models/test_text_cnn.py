"""The convolutional network computes what Kim's formulae say, whatever the padding."""

import pytest
import torch

from models.configs import TextCnnConfig
from models.registry import ModelContext
from models.text_cnn import TextCnn

LENGTHS = [7, 1, 12, 4]


def build(**settings: object) -> TextCnn:
    torch.manual_seed(1)
    config = TextCnnConfig(name="text-cnn", embedding_dim=6, filters=5, **settings)
    return TextCnn(config, ModelContext(vocab_size=100))


def test_it_takes_each_filters_maximum_over_all_windows_that_touch_the_review(make_batch):
    model, batch = build(dropout=0.0), make_batch(LENGTHS)
    expected = []
    for row, length in zip(batch.input_ids, LENGTHS, strict=True):
        words = [model.embedding.weight[word] for word in row[:length]]
        pooled = []
        for width, convolution in zip((3, 4, 5), model.convolutions, strict=True):
            blank = [torch.zeros(6)] * (width - 1)
            padded = torch.stack([*blank, *words, *blank])
            windows = [padded[at : at + width] for at in range(length + width - 1)]
            scores = [(convolution.weight * window.T).sum(dim=(1, 2)) + convolution.bias for window in windows]
            pooled.append(torch.stack(scores).relu().amax(dim=0))
        expected.append(model.output(torch.cat(pooled)))

    torch.testing.assert_close(model(batch), torch.stack(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("bf16", [False, True])
def test_padding_and_its_content_never_change_logits(make_batch, bf16):
    model = build(dropout=0.0)
    tight, loose = make_batch(LENGTHS), make_batch(LENGTHS, padding=9)
    loose.input_ids[~loose.attention_mask] = 99
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        torch.testing.assert_close(model(tight), model(loose), rtol=0, atol=5e-3 if bf16 else 1e-6)


def test_a_review_without_tokens_gets_finite_logits_and_gradients(make_batch):
    model = build()
    logits = model(make_batch([3, 0]))
    logits.sum().backward()

    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_widths_are_a_setting():
    assert [each.kernel_size for each in build(widths=[2, 9]).convolutions] == [(2,), (9,)]
