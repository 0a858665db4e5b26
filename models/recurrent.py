"""Recurrent networks over dense, padded batches.

B reviews in the batch, T tokens, E embedding, H hidden, D directions (1 or 2), A attention, C classes, L layers.

No pack_padded_sequence: on a CPU dense batches are two to five times as fast (docs/performance.md), as oneDNN's LSTM
reads no packed ones.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from data_pipeline.batch import Batch
from models.classifier import Classifier, ParameterGroup
from models.configs import AttentionConfig, RecurrentConfig
from models.cpu_kernels import Dropout, ElmanRNN
from models.registry import ModelContext
from models.word_embedding import WordEmbedding, is_real

CELLS: dict[str, Callable[..., nn.RNNBase]] = {
    "rnn": ElmanRNN,  # Elman, "Finding structure in time", 1990
    "lstm": partial(nn.LSTM, batch_first=True),  # Hochreiter and Schmidhuber, "Long short-term memory", 1997
    "gru": partial(nn.GRU, batch_first=True),  # Cho et al., "Learning Phrase Representations ...", 2014
}


class RecurrentClassifier(Classifier):
    """Word vectors, L recurrent layers, one vector pooled from the real tokens' states, a linear layer."""

    def __init__(self, cell: str, config: RecurrentConfig | AttentionConfig, context: ModelContext):
        """Build the network of a cell of CELLS; its weights begin as `initialise` says."""
        super().__init__()
        self.embedding = WordEmbedding(config, context.vocab_size, context.vectors)
        directions = 2 if config.bidirectional else 1
        width = directions * config.hidden_dim
        self.layers = nn.ModuleList(
            RecurrentLayer(CELLS[cell], config.embedding_dim if layer == 0 else width, config.hidden_dim, directions)
            for layer in range(config.layers)
        )
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(width, context.num_classes)
        self.pool: Callable[[Tensor, Tensor], Tensor]
        self.attention_learning_rate_scale = 1.0
        if isinstance(config, AttentionConfig):  # built last: with the same seed all else begins as without attention
            self.pool = AttentionPooling(width, config.attention_dim)
            self.attention_learning_rate_scale = config.attention_learning_rate_scale
        else:
            pool_ends = partial(pool_last, hidden_dim=config.hidden_dim)
            poolings: dict[str, Callable[..., Tensor]] = {"last": pool_ends, "mean": pool_mean, "max": pool_max}
            self.pool = poolings[config.pooling]

    def forward(self, batch: Batch) -> Tensor:
        """Return (B, C) float32 logits; a review without tokens is read as one padding token, so that none is NaN."""
        states, lengths = self._states(batch)
        logits: Tensor = self.output(self.dropout(self.pool(states, lengths)))
        return logits.float()

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return all parameters in one group, those of attention pooling in another at its own learning rate scale."""
        if not isinstance(self.pool, AttentionPooling):
            return super().parameter_groups()
        attention = list(self.pool.parameters())
        others = [p for p in self.parameters() if all(p is not each for each in attention)]
        return [ParameterGroup(others), ParameterGroup(attention, self.attention_learning_rate_scale)]

    def word_vectors(self) -> nn.Embedding:
        """Return the embedding."""
        return self.embedding

    def attention_weights(self, batch: Batch) -> Tensor | None:
        """Return the (B, T) weights of attention pooling; None with another pooling."""
        return self.pool.weights(*self._states(batch)) if isinstance(self.pool, AttentionPooling) else None

    def _states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the (B, T, D * H) states of the last layer, and (B,) lengths, none of them 0."""
        lengths = batch.lengths.clamp(min=1)
        states = self.embedding(batch.input_ids)
        for layer in self.layers:
            states = layer(self.dropout(states), lengths)
        return states, lengths


class RecurrentLayer(nn.Module):
    """One recurrent layer, read forwards or both ways.

    Padding is on the right and would be read first backwards, so the backward cell gets the real tokens reversed
    within their length, and the padding after them.
    """

    def __init__(self, cell: Callable[..., nn.RNNBase], input_dim: int, hidden_dim: int, directions: int):
        super().__init__()
        self.cells = nn.ModuleList(initialise(cell(input_dim, hidden_dim)) for _ in range(directions))

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, T, D * H) states from (B, T, any) inputs; those at padding mean nothing."""
        states: Tensor = self.cells[0](inputs)[0]
        if len(self.cells) == 1:
            return states
        backward_states = reverse(self.cells[1](reverse(inputs, lengths))[0], lengths)
        return torch.cat([states, backward_states], dim=-1)


@torch.no_grad()
def initialise(cell: nn.RNNBase) -> nn.RNNBase:
    """Return the cell with Glorot's input weights and orthogonal recurrent ones per gate, biases 0, a forget gate's 1.

    States and gradients then neither fade nor explode on their way through layers (Glorot and Bengio, "Understanding
    the difficulty of training deep feedforward neural networks", 2010) and time (Saxe, McClelland and Ganguli, "Exact
    solutions to the nonlinear dynamics of learning in deep linear neural networks", 2014), and an LSTM begins by
    remembering (Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent Network Architectures",
    2015).
    """
    from_inputs, from_states, bias, other_bias = cell.all_weights[0]
    gates = len(bias) // cell.hidden_size
    for gate in from_inputs.chunk(gates):
        nn.init.xavier_uniform_(gate)
    for gate in from_states.chunk(gates):
        nn.init.orthogonal_(gate)
    bias.zero_()
    other_bias.zero_()
    if isinstance(cell, nn.LSTM):
        bias[cell.hidden_size : 2 * cell.hidden_size] = 1.0
    return cell


def reverse(sequences: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the first `lengths` positions of each row of (B, T, any) sequences."""
    batch_size, longest = sequences.shape[:2]
    positions = torch.arange(longest, device=sequences.device)
    ends = lengths[:, None]
    sources = torch.where(positions < ends, ends - 1 - positions, positions)
    first_of_row = torch.arange(batch_size, device=sequences.device)[:, None] * longest
    # index_select over whole vectors takes a third of gather's time
    reversed_rows = sequences.flatten(0, 1).index_select(0, (first_of_row + sources).flatten())
    return reversed_rows.view_as(sequences)


def pool_last(states: Tensor, lengths: Tensor, hidden_dim: int) -> Tensor:
    """Return (B, D * H) states where each direction ends: forwards at the last real token, backwards at token 0."""
    rows = torch.arange(len(states), device=states.device)
    return torch.cat([states[rows, lengths - 1, :hidden_dim], states[:, 0, hidden_dim:]], dim=-1)


def pool_mean(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the (B, D * H) mean over the real tokens, summed in float32."""
    return (states * is_real(states, lengths)).sum(dim=1, dtype=torch.float32) / lengths[:, None]


def pool_max(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the (B, D * H) maximum over the real tokens."""
    return states.masked_fill(~is_real(states, lengths), torch.finfo(states.dtype).min).amax(dim=1)


class AttentionPooling(nn.Module):
    """Additive attention: the states' mean with weights softmax(v . tanh(W h + b)) over the real tokens.

    Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", 2015; without a
    decoder whose state would be the query, v is learned.
    """

    def __init__(self, width: int, attention_dim: int):
        super().__init__()
        self.project = nn.Linear(width, attention_dim)
        self.score = nn.Linear(attention_dim, 1, bias=False)  # a bias would add the same to all tokens
        nn.init.zeros_(self.score.weight)  # begins as the mean: weights at random lead some seeds astray

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return the (B, D * H) weighted mean over the real tokens, summed in float32."""
        return (states * self.weights(states, lengths)[..., None]).sum(dim=1, dtype=torch.float32)

    def weights(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, T) float32 weights, 0 at padding; each row sums to 1."""
        scores: Tensor = self.score(torch.tanh(self.project(states))).float()
        return scores.masked_fill(~is_real(states, lengths), float("-inf")).squeeze(-1).softmax(dim=-1)
