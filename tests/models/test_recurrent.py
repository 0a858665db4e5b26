"""The dense recurrent networks compute what packed sequences compute, whatever the padding."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from data_pipeline.batch import Batch
from models.configs import AttentionConfig, RecurrentConfig
from models.precision import computes_in_bf16
from models.recurrent import RecurrentClassifier, reverse
from models.registry import ModelContext

LENGTHS = [7, 1, 12, 4, 12, 2]
ATTENTION = {"pooling": "attention", "attention_dim": 7}
CELLS = ("rnn", "gru", "lstm")
CONTEXT = ModelContext(vocab_size=100)
# oneDNN has no LSTM in bf16 for a processor that does not compute in it.
IN_BF16 = [*CELLS] if computes_in_bf16(torch.device("cpu")) else ["rnn", "gru"]
PRECISIONS = [*((cell, False) for cell in CELLS), *((cell, True) for cell in IN_BF16)]


def build(cell: str, **settings: object) -> RecurrentClassifier:
    torch.manual_seed(1)
    settings = {"embedding_dim": 6, "hidden_dim": 5, "dropout": 0.0} | settings
    if settings.get("pooling") != "attention":
        return RecurrentClassifier(cell, RecurrentConfig(name=cell, **settings), CONTEXT)
    del settings["pooling"]
    model = RecurrentClassifier(cell, AttentionConfig(name=cell, **settings), CONTEXT)
    nn.init.normal_(model.pool.score.weight)  # as if trained: it begins at 0
    return model


def packed_logits(model: RecurrentClassifier, cell: str, config: RecurrentConfig, batch: Batch) -> Tensor:
    """The textbook computation, with torch's own stacking, directions and packing, and the model's weights."""
    reference = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](
        config.embedding_dim, config.hidden_dim, config.layers, batch_first=True, bidirectional=config.bidirectional
    )
    weights = {}
    for layer in range(config.layers):
        for direction, suffix in enumerate(["", "_reverse"][: 1 + config.bidirectional]):
            for name, weight in model.layers[layer].cells[direction].named_parameters():
                weights[name.replace("l0", f"l{layer}{suffix}")] = weight
    reference.load_state_dict(weights)
    packed = pack_padded_sequence(model.embedding(batch.input_ids), batch.lengths, True, enforce_sorted=False)
    states, final = reference(packed)
    rows, lengths = pad_packed_sequence(states, batch_first=True)
    real = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    if config.pooling == "last":
        hidden = final[0] if cell == "lstm" else final
        pooled = torch.cat(list(hidden[-(1 + config.bidirectional) :]), dim=-1)
    elif config.pooling == "mean":
        pooled = torch.stack([row.mean(dim=0) for row in real])
    else:
        pooled = torch.stack([row.max(dim=0).values for row in real])
    return model.output(pooled)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_equals_the_packed_computation(make_batch, cell, layers, bidirectional, pooling):
    settings = {"layers": layers, "bidirectional": bidirectional, "pooling": pooling}
    model = build(cell, **settings)
    batch = make_batch(LENGTHS, padding=3)
    config = RecurrentConfig(name=cell, embedding_dim=6, hidden_dim=5, **settings)

    torch.testing.assert_close(model(batch), packed_logits(model, cell, config, batch), rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "bf16"), PRECISIONS)
def test_padding_and_its_content_never_change_logits(make_batch, cell, bidirectional, pooling, bf16):
    model = build(cell, layers=2, bidirectional=bidirectional, pooling=pooling)
    tight, loose = make_batch(LENGTHS), make_batch(LENGTHS, padding=9)
    loose.input_ids[~loose.attention_mask] = 99
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        torch.testing.assert_close(model(tight), model(loose), rtol=0, atol=5e-3 if bf16 else 1e-6)


def test_max_pooling_ignores_padding_even_where_all_real_states_are_lower(make_batch):
    model = build("rnn", pooling="max")
    cell = model.layers[0].cells[0]
    with torch.no_grad():
        cell.weight_hh_l0.zero_()
        cell.bias_ih_l0.zero_()
        cell.bias_hh_l0.zero_()
        cell.weight_ih_l0.fill_(-1.0)
        model.embedding.weight[1:] = 1.0  # a real word's state is tanh(-6), padding's is tanh(0) = 0
        model.output.weight.fill_(1.0)
        model.output.bias.zero_()

    torch.testing.assert_close(model(make_batch([3, 6])), torch.full((2, 2), 5 * torch.tensor(-6.0).tanh().item()))


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", IN_BF16)
def test_bf16_stays_close_to_fp32(make_batch, cell, pooling):
    model = build(cell, embedding_dim=32, hidden_dim=32, layers=2, bidirectional=True, pooling=pooling)
    batch = make_batch(LENGTHS)
    exact = model(batch)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(batch)

    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0, atol=1e-2)  # on logits of size 0.1 to 0.4; bf16 keeps 8 bits


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_review_without_tokens_gets_finite_logits_and_gradients(make_batch, bidirectional, pooling):
    model = build("lstm", bidirectional=bidirectional, pooling=pooling)
    logits = model(make_batch([3, 0]))
    logits.sum().backward()

    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert model.embedding.weight.grad[0].abs().sum() == 0  # the padding it was read as is not trained


@pytest.mark.parametrize("pooling", ["max", "attention"])
@pytest.mark.parametrize(("cell", "bf16"), PRECISIONS)
def test_gradients_reach_every_parameter_but_the_padding_vector(make_batch, cell, pooling, bf16):
    model = build(cell, layers=2, bidirectional=True, dropout=0.1, pooling=pooling)
    batch = make_batch(LENGTHS, padding=2)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = F.cross_entropy(model(batch), batch.labels)
    loss.backward()

    assert all(p.grad.abs().sum() > 0 for p in model.parameters())
    assert model.embedding.weight.grad[0].abs().sum() == 0


def test_dropout_falls_on_word_vectors_between_layers_and_on_the_pooled_vector_in_training_only(make_batch):
    model, batch = build("lstm", layers=2, dropout=0.5), make_batch([4, 2])
    dropped = []
    with model.dropout.register_forward_hook(lambda _module, inputs, _output: dropped.append(inputs[0].shape)):
        first = model(batch)

    assert dropped == [(2, 4, 6), (2, 4, 5), (2, 5)]
    assert not torch.equal(model(batch), first)
    model.eval()
    assert torch.equal(model(batch), model(batch))


@pytest.mark.parametrize("cell", CELLS)
def test_states_neither_fade_nor_explode_at_first_and_an_lstm_remembers(cell):
    made = build(cell, hidden_dim=16, bidirectional=True, layers=2)
    for layer in made.layers:
        for each in layer.cells:
            gates = each.weight_hh_l0.split(16)
            biases = [bias.tolist() for bias in (each.bias_ih_l0 + each.bias_hh_l0).split(16)]

            assert len(gates) == {"rnn": 1, "gru": 3, "lstm": 4}[cell]
            for gate in gates:
                torch.testing.assert_close(gate @ gate.T, torch.eye(16), rtol=0, atol=1e-5)
            remembers = [1.0 if gate == 1 and cell == "lstm" else 0.0 for gate in range(len(gates))]  # the forget gate
            assert biases == [[each] * 16 for each in remembers]
    assert made.embedding.weight[0].count_nonzero() == 0
    assert 0.4 < made.embedding.weight.abs().max() <= 0.5


def test_word_dropout_takes_a_word_away_wherever_it_stands_in_training_only(make_batch):
    model, batch = build("lstm", word_dropout=0.5), make_batch([100, 100])
    batch.input_ids[:] = torch.arange(100)
    seen = []
    with model.dropout.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0])):
        model(batch)
        model.eval()
        model(batch)
    trained, plain = seen[0], seen[2]
    kept = trained.abs().sum(dim=-1) > 0

    assert torch.equal(kept[0], kept[1])
    assert 25 < kept[0].sum() < 75
    torch.testing.assert_close(trained[kept], 2 * plain[kept], rtol=0, atol=1e-6)


def test_reverse_turns_real_tokens_round_and_leaves_padding():
    sequences = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7], [8, 0, 0, 0]])[..., None]
    lengths = torch.tensor([3, 4, 1])

    assert reverse(sequences, lengths)[..., 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4], [8, 0, 0, 0]]
    assert torch.equal(reverse(reverse(sequences, lengths), lengths), sequences)


class TestAttention:
    def test_the_pooled_vector_is_computed_as_on_paper(self, make_batch):
        model, batch = build("lstm", **ATTENTION), make_batch(LENGTHS, padding=2)
        embedded, pool = model.embedding(batch.input_ids), model.pool
        states = model.layers[0].cells[0](embedded)[0]
        expected = []
        for row, length in zip(states, LENGTHS, strict=True):
            scores = [
                pool.score.weight[0] @ torch.tanh(pool.project.weight @ h + pool.project.bias) for h in row[:length]
            ]
            parts = torch.stack(scores).exp()
            expected.append((parts[:, None] / parts.sum() * row[:length]).sum(dim=0))

        torch.testing.assert_close(model(batch), model.output(torch.stack(expected)), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("bf16", [False, True])
    def test_weights_are_shares_of_the_real_tokens_and_other_poolings_have_none(self, make_batch, bf16):
        model, batch = build("lstm", **ATTENTION, layers=2, bidirectional=True), make_batch(LENGTHS, padding=2)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16 and "lstm" in IN_BF16):
            weights = model.attention_weights(batch)

        assert build("lstm").attention_weights(batch) is None
        assert weights.shape == batch.input_ids.shape
        assert weights[~batch.attention_mask].count_nonzero() == 0
        assert (weights[batch.attention_mask] > 0).all()
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(LENGTHS)), rtol=0, atol=1e-6)

    def test_it_begins_as_the_mean_and_learns_from_the_first_step(self, make_batch):
        torch.manual_seed(1)
        config = AttentionConfig(name="lstm", embedding_dim=6, hidden_dim=5, dropout=0.0)
        model, mean, batch = (
            RecurrentClassifier("lstm", config, CONTEXT),
            build("lstm", pooling="mean"),
            make_batch(LENGTHS),
        )
        F.cross_entropy(model(batch), batch.labels).backward()

        assert model.pool.score.weight.grad.abs().sum() > 0
        torch.testing.assert_close(model(batch), mean(batch), rtol=0, atol=1e-6)

    def test_all_but_the_attention_begins_as_in_the_lstm_of_the_same_seed(self):
        attention, plain = build("lstm", **ATTENTION).state_dict(), build("lstm").state_dict()

        assert {name for name in attention if not name.startswith("pool.")} == plain.keys()
        assert all(torch.equal(attention[name], plain[name]) for name in plain)

    def test_it_learns_more_slowly_than_the_rest_and_every_parameter_is_in_one_group(self):
        model = build("lstm", **ATTENTION, attention_learning_rate_scale=0.25)
        rest, attention = model.parameter_groups()

        assert (rest.learning_rate_scale, attention.learning_rate_scale) == (1.0, 0.25)
        assert {*map(id, attention.parameters)} == {*map(id, model.pool.parameters())}
        assert {*map(id, rest.parameters)} == {*map(id, model.parameters())} - {*map(id, attention.parameters)}
        assert [group.learning_rate_scale for group in build("lstm").parameter_groups()] == [1.0]
