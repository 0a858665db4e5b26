"""Word vectors, at random or learned before, with whole words dropped out."""

import numpy as np
import torch
from torch import Tensor, nn

from models.configs import WordsConfig
from models.cpu_kernels import drop

PAD_ID = 0  # the word tokenizer's; its vector is zero and gets no gradient
WORD_RANGE = 0.5  # of a word vector's numbers at first; torch's N(0, 1) outweighs what a few thousand reviews teach


class WordEmbedding(nn.Embedding):
    """A vector per word of the vocabulary; in training those of some words are zero wherever they are in the batch.

    Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016.
    """

    def __init__(self, config: WordsConfig, vocab_size: int, vectors: np.ndarray | None = None):
        """Begin at random, but for the words that have a row in the (V, E) `vectors`: NaN is none."""
        super().__init__(vocab_size, config.embedding_dim, padding_idx=PAD_ID)
        nn.init.uniform_(self.weight, -WORD_RANGE, WORD_RANGE)
        nn.init.zeros_(self.weight[PAD_ID])
        if vectors is not None:
            known = ~np.isnan(vectors).any(axis=1)
            self.weight.data[torch.from_numpy(known)] = torch.from_numpy(vectors[known])
        self.weight.requires_grad_(not config.freeze_vectors)
        self.word_dropout = config.word_dropout

    def forward(self, input: Tensor) -> Tensor:
        """Return the (B, T, E) vectors of (B, T) words."""
        vectors = super().forward(input)
        if not self.training or self.word_dropout == 0:
            return vectors
        kept = drop(vectors.new_ones(self.num_embeddings), self.word_dropout)
        return vectors * kept[input][..., None]


def is_real(states: Tensor, lengths: Tensor) -> Tensor:
    """Return (B, T, 1) bool, True at the first `lengths` positions of (B, T, any) states."""
    return (torch.arange(states.shape[1], device=states.device) < lengths[:, None])[..., None]
