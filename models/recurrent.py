"""Recurrent networks over dense, padded batches.

B reviews in the batch, T tokens, E embedding, H hidden, D directions (1 or 2), A attention, C classes, L layers.

No pack_padded_sequence. With B 64, T 200 (lengths 150 to 200), E 128, H 256, L 1 and max pooling, forward and backward
on two cores, dense and packed taken in turn: the LSTM made 321 and 71 reviews/s under bf16 autocast (187 and 11 in
fp32; both ways 155 and 43), the RNN 627 and 279 (506 and 177). The dense LSTM runs in oneDNN's kernel, seen as
aten::mkldnn_rnn_layer in a profile; the RNN has no such kernel and is quick without. Batch-first and time-first differ
by no more than the machine's noise (316 and 289 to 303), so the tensors stay (B, T, ...).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from data_pipeline.batch import Batch
from models.classifier import Classifier
from models.configs import AttentionConfig, RecurrentConfig
from models.dropout import Dropout
from models.elman import ElmanRNN

CELLS: dict[str, Callable[..., nn.RNNBase]] = {
    "rnn": ElmanRNN,  # Elman, "Finding structure in time", 1990
    "lstm": partial(nn.LSTM, batch_first=True),  # Hochreiter and Schmidhuber, "Long short-term memory", 1997
}
PAD_ID = 0  # the word tokenizer's; its vector is zero and gets no gradient

Pooling = Callable[[Tensor, Tensor], Tensor]


class RecurrentClassifier(Classifier):
    """Word vectors, L recurrent layers, one vector pooled from the real tokens' states, a linear layer."""

    def __init__(self, cell: str, config: RecurrentConfig | AttentionConfig, vocab_size: int, num_classes: int):
        """Build the network with torch's own initialisation.

        Args:
            cell: a key of CELLS.
            config: widths, layers, directions, pooling or attention, and dropout.
            vocab_size: ids that the tokenizer can produce, the padding's included.
            num_classes: C.

        Raises:
            KeyError: CELLS has no such cell.
        """
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, config.embedding_dim, padding_idx=PAD_ID)
        directions = 2 if config.bidirectional else 1
        width = directions * config.hidden_dim
        self.layers = nn.ModuleList(
            RecurrentLayer(CELLS[cell], config.embedding_dim if layer == 0 else width, config.hidden_dim, directions)
            for layer in range(config.layers)
        )
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(width, num_classes)
        self.pool: Pooling
        if isinstance(config, AttentionConfig):  # built last: with the same seed all else begins as without attention
            self.pool = AttentionPooling(width, config.attention_dim)
        else:
            pool_ends = partial(pool_last, hidden_dim=config.hidden_dim)
            poolings: dict[str, Pooling] = {"last": pool_ends, "mean": pool_mean, "max": pool_max}
            self.pool = poolings[config.pooling]

    def forward(self, batch: Batch) -> Tensor:
        """(B, C) float32 logits; a review without tokens is read as a single padding token, so that none is NaN."""
        states, lengths = self._states(batch)
        logits: Tensor = self.output(self.dropout(self.pool(states, lengths)))
        return logits.float()

    def word_vectors(self) -> nn.Embedding:
        """See Classifier."""
        return self.embedding

    def attention_weights(self, batch: Batch) -> Tensor | None:
        """(B, T) what the pooling weights each real token's state with; None where it is no attention."""
        return self.pool.weights(*self._states(batch)) if isinstance(self.pool, AttentionPooling) else None

    def _states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, T, D * H) states of the last layer, and the (B,) lengths of which none is 0."""
        lengths = batch.lengths.clamp(min=1)
        states = self.embedding(batch.input_ids)
        for layer in self.layers:
            states = layer(self.dropout(states), lengths)
        return states, lengths


class RecurrentLayer(nn.Module):
    """One recurrent layer, read forwards or both ways.

    Reading forwards, padding on the right cannot reach a real token. Backwards it would be read first, so the real
    tokens are turned round within their length and the padding stays behind them.
    """

    def __init__(self, cell: Callable[..., nn.RNNBase], input_dim: int, hidden_dim: int, directions: int):
        super().__init__()
        self.cells = nn.ModuleList(cell(input_dim, hidden_dim) for _ in range(directions))

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, D * H) states out of (B, T, any) inputs; those at padding mean nothing."""
        states: Tensor = self.cells[0](inputs)[0]
        if len(self.cells) == 1:
            return states
        backward_states = reverse(self.cells[1](reverse(inputs, lengths))[0], lengths)
        return torch.cat([states, backward_states], dim=-1)


def reverse(sequences: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, any) with the first `lengths` positions of each row in reverse order and the rest where they were."""
    batch_size, longest = sequences.shape[:2]
    positions = torch.arange(longest, device=sequences.device)
    ends = lengths[:, None]
    sources = torch.where(positions < ends, ends - 1 - positions, positions)
    first_of_row = torch.arange(batch_size, device=sequences.device)[:, None] * longest
    # index_select over whole vectors: 3.4 ms forward and backward where gather takes 10.6 (B 64, T 200, 256 wide)
    reversed_rows = sequences.flatten(0, 1).index_select(0, (first_of_row + sources).flatten())
    return reversed_rows.view_as(sequences)


def pool_last(states: Tensor, lengths: Tensor, hidden_dim: int) -> Tensor:
    """(B, D * H) where each direction ends: forwards at the last real token, backwards at token 0."""
    rows = torch.arange(len(states), device=states.device)
    return torch.cat([states[rows, lengths - 1, :hidden_dim], states[:, 0, hidden_dim:]], dim=-1)


def pool_mean(states: Tensor, lengths: Tensor) -> Tensor:
    """(B, D * H) mean over the real tokens, summed in float32 whatever the states are."""
    kept = states * is_real(states, lengths)
    return kept.sum(dim=1, dtype=torch.float32) / lengths[:, None]


def pool_max(states: Tensor, lengths: Tensor) -> Tensor:
    """(B, D * H) maximum over the real tokens; padding is set to the lowest number that the states' type has."""
    return states.masked_fill(~is_real(states, lengths), torch.finfo(states.dtype).min).amax(dim=1)


class AttentionPooling(nn.Module):
    """Additive attention: a mean of the states, each weighted by how well it answers one learned question.

    Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", 2015. A
    classifier has no decoder whose state would ask, so the question is learned with the rest: weights are the softmax
    of v . tanh(W h + b) over the real tokens.
    """

    def __init__(self, width: int, attention_dim: int):
        super().__init__()
        self.project = nn.Linear(width, attention_dim)
        self.score = nn.Linear(attention_dim, 1, bias=False)  # a bias would be the same for all tokens: no matter

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """(B, D * H) weighted mean over the real tokens, summed in float32 whatever the states are."""
        return (states * self.weights(states, lengths)[..., None]).sum(dim=1, dtype=torch.float32)

    def weights(self, states: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) float32, of each row 1 in all, and 0 at padding."""
        scores: Tensor = self.score(torch.tanh(self.project(states))).float()
        return scores.masked_fill(~is_real(states, lengths), float("-inf")).squeeze(-1).softmax(dim=-1)


def is_real(states: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, 1) bool, True at the first `lengths` positions."""
    return (torch.arange(states.shape[1], device=states.device) < lengths[:, None])[..., None]
