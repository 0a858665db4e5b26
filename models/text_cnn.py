"""A convolutional network over word vectors: Kim, "Convolutional Neural Networks for Sentence Classification", 2014.

B reviews in the batch, T tokens, E embedding, F filters per width, C classes.
"""

import torch
from torch import Tensor, nn

from data_pipeline.batch import Batch
from models.classifier import Classifier
from models.configs import TextCnnConfig
from models.cpu_kernels import Dropout
from models.registry import ModelContext
from models.word_embedding import WordEmbedding, is_real


class TextCnn(Classifier):
    """Word vectors, filters over a few neighbouring words, the maximum of each over the review, a linear layer."""

    def __init__(self, config: TextCnnConfig, context: ModelContext):
        super().__init__()
        self.embedding = WordEmbedding(config, context.vocab_size, context.vectors)
        self.widths = config.widths
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.embedding_dim, config.filters, width, padding=width - 1) for width in config.widths
        )
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.filters * len(config.widths), context.num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Return (B, C) float32 logits; a review without tokens is read as one padding token, so that none is NaN."""
        lengths = batch.lengths.clamp(min=1)
        vectors = self.dropout(self.embedding(batch.input_ids))
        vectors = (vectors * is_real(vectors, lengths)).transpose(1, 2)
        found = zip(self.widths, self.convolutions, strict=True)
        pooled = torch.cat([maximum(each(vectors), lengths + width - 1) for width, each in found], dim=1)
        logits: Tensor = self.output(self.dropout(pooled))
        return logits.float()

    def word_vectors(self) -> nn.Embedding:
        """Return the embedding."""
        return self.embedding


def maximum(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the (B, F) maximum over the first `lengths` of (B, F, T) states, none below 0."""
    states = states.relu().transpose(1, 2)
    return (states * is_real(states, lengths)).amax(dim=1)
