"""Logistic regression on a bag of n-grams, weighted by naive Bayes: the baseline of the deeper models.

Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification", 2012.

B reviews in the batch, T tokens, N n-grams of the longest review, F features, K counted n-grams, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from data_pipeline.batch import Batch
from models.classifier import Classifier
from models.configs import BowConfig
from models.cpu_kernels import Dropout

NONE = 0  # the key of no n-gram
UNK_ID = 1  # the word tokenizer's; n-grams with an unknown word are no features
NO_FEATURE = torch.iinfo(torch.int64).max  # fills the table after its last n-gram and keeps it sorted
CHUNK = 1 << 22  # n-grams that are counted together: 32 MiB of keys


class BagOfNgrams(Classifier):
    """A weighted sum of the n-grams of F that a review has, each times its log-count ratio.

    An n-gram's key has its words' ids as the digits of a number of base V, so keys are exact and those of different n
    differ (a known word's id is never 0). The table's length depends on the settings alone, not on the train part: a
    saved state fits every network of the same settings.
    """

    keys: Tensor
    ratios: Tensor

    def __init__(self, config: BowConfig, vocab_size: int, num_classes: int):
        """Build a network without features; `learn` adds those of the train part.

        Raises:
            ValueError: there are not two classes, or the keys of so many words take more than 63 bits.
        """
        super().__init__()
        if num_classes != 2:
            raise ValueError(f"a log-count ratio needs 2 classes (got {num_classes})")
        if vocab_size**config.ngrams > NO_FEATURE:
            raise ValueError(f"{config.ngrams}-grams of {vocab_size} words have no 63-bit keys. Lower `vocab_size`.")
        self.config = config
        self.vocab_size = vocab_size
        self.register_buffer("keys", torch.full((config.max_features,), NO_FEATURE))
        self.register_buffer("ratios", torch.zeros(config.max_features))
        self.weights = nn.Embedding(config.max_features, 1)
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(torch.zeros(1))
        self.dropout = Dropout(config.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Return (B, 2) float32 logits: 0 for negative and the log odds for positive."""
        features, values = self.features(batch)
        weights = self.weights(features).squeeze(-1)
        log_odds = (self.dropout(values) * weights).sum(dim=1) + self.bias
        return torch.stack([torch.zeros_like(log_odds), log_odds], dim=1)

    def features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return (B, N) positions in the table and (B, N) float32 values, 0 where there is no feature."""
        return self.look_up(self.present(batch))

    def look_up(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return positions and float32 values of keys of any shape, the value 0 where there is no such feature."""
        positions = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        return positions, self.ratios[positions] * (self.keys[positions] == keys)

    def present(self, batch: Batch) -> Tensor:
        """Return (B, N) int64 keys of the n-grams of known words that a review has, each once, and NONE elsewhere."""
        keys = torch.cat(self.keys_by_place(batch), dim=1).sort(dim=1).values
        return torch.cat([keys[:, :1], keys[:, 1:] * (keys[:, 1:] != keys[:, :-1])], dim=1)

    def keys_by_place(self, batch: Batch) -> list[Tensor]:
        """Return for each n from 1 the (B, T - n + 1) keys of the n-grams that begin at each token, or NONE."""
        words = batch.input_ids * (batch.attention_mask & (batch.input_ids > UNK_ID))
        found = [words]
        for n in range(2, self.config.ngrams + 1):
            first, last = found[-1][:, :-1], words[:, n - 1 :]
            found.append((first * self.vocab_size + last) * ((first != NONE) & (last != NONE)))
        return found

    def linear_attributions(self, batch: Batch) -> Tensor:
        """Return (B, T) float64 on the CPU: the terms of the log odds by token, without the bias.

        An n-gram counts once, however often a review has it: its words and its places share its term equally.
        """
        shares = torch.zeros(batch.input_ids.shape, dtype=torch.float64)  # on the CPU: Apple's GPUs have no float64
        for n, keys in enumerate(self.keys_by_place(batch), start=1):
            positions, values = self.look_up(keys)
            times = (keys[:, :, None] == keys[:, None, :]).sum(dim=2)  # at most 4,096 tokens: 16 MiB per review
            weights = self.weights(positions).squeeze(-1)
            share = values.cpu().double() * weights.cpu() / (n * times.cpu())
            for word in range(n):
                shares[:, word : word + share.shape[1]] += share
        return shares

    @torch.no_grad()
    def learn(self, batches: Iterable[Batch]) -> None:
        """Count the train part's reviews with each n-gram, and make the most frequent n-grams the features."""
        device = self.keys.device
        new_keys, new_counts, waiting = [], [], 0
        for batch in batches:
            present = self.present(batch.to(device)).cpu()
            rows, columns = present.nonzero(as_tuple=True)
            new_keys.append(present[rows, columns])
            new_counts.append(nn.functional.one_hot(batch.labels.cpu(), 2)[rows])
            waiting += len(rows)
            if waiting >= CHUNK:
                keys, counts = _add_up(new_keys, new_counts)
                new_keys, new_counts, waiting = [keys], [counts], 0
        self.set_features(*_add_up(new_keys, new_counts))

    def set_features(self, keys: Tensor, counts: Tensor) -> None:
        """Make the n-grams that the most reviews have the features, and learn their log-count ratios.

        r = log((p / |p|) / (q / |q|)), where p is alpha plus the positive reviews that have the n-gram, q the same for
        negative ones, and |.| the sum over all features.

        Args:
            keys: (K,) int64, rising, on the CPU.
            counts: (K, 2) int64 on the CPU, negative and positive reviews that have the n-gram.
        """
        reviews = counts.sum(dim=1)
        most_first = reviews.argsort(descending=True, stable=True)  # of equals, the lower key first
        chosen = most_first[: int((reviews >= self.config.min_count).sum())][: len(self.keys)].sort().values
        smoothed = counts[chosen].double() + self.config.alpha
        log_shares = (smoothed / smoothed.sum(dim=0)).log()
        ratios = log_shares[:, 1] - log_shares[:, 0]
        self.keys.fill_(NO_FEATURE)
        self.ratios.zero_()
        self.keys[: len(chosen)] = keys[chosen]
        self.ratios[: len(chosen)] = ratios.float() if self.config.naive_bayes else 1.0


def _add_up(keys: list[Tensor], counts: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return (K,) rising keys, each once, and the (K, 2) sums of their counts."""
    each, places = torch.unique(torch.cat(keys), return_inverse=True)
    return each, torch.zeros(len(each), 2, dtype=torch.int64).index_add_(0, places, torch.cat(counts))
