"""BERT as a classifier: its encoder frozen, or fine-tuned with the head.

B reviews in the batch, T tokens, E width of the encoder, L layers of the encoder, F pooled features, C classes.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self, cast

import torch
from torch import Tensor, nn

from data_pipeline.batch import Batch
from models.classifier import Classifier, ParameterGroup
from models.configs import FinetunedBertConfig, FrozenBertConfig
from models.cpu_kernels import Dropout
from models.pretrained import first_token_attention, keep_first_token, load_encoder, max_tokens, read_tokens
from models.registry import ModelContext


def pool_cls(states: Tensor, mask: Tensor) -> Tensor:
    """Return the (B, E) float32 state of the first token, [CLS], from (B, T, E)."""
    return states[:, 0].float()


def pool_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the (B, E) float32 mean of the real tokens' states, from (B, T, E) and (B, T) bool."""
    return (states * mask[..., None]).sum(dim=1, dtype=torch.float32) / mask.sum(dim=1, keepdim=True)


POOLINGS = {"cls": pool_cls, "mean": pool_mean}  # in the order of the features' third axis


class BertClassifier(Classifier):
    """A pre-trained encoder, one vector pooled from its states, a head: Linear, ReLU, Linear.

    The class of the settings decides whether the encoder is frozen. A frozen one gets no gradient, stays in eval mode
    and always works through `extract_features`: features computed here equal those of the cache.
    """

    def __init__(self, config: FrozenBertConfig | FinetunedBertConfig, context: ModelContext):
        """Load the encoder and put a new head on it.

        Raises:
            ValueError: see `load_encoder`.
        """
        super().__init__()
        self.encoder = load_encoder(context, config)
        self.pooling = config.pooling
        self.every_layer = config.layers == "all"
        states = self.encoder.config.num_hidden_layers + 1 if self.every_layer else 1
        width = states * self.encoder.config.hidden_size
        self.standardize: nn.Module = nn.Identity()
        self.dropout: nn.Module = nn.Identity()
        self.head = nn.Sequential(
            nn.Linear(width, config.head_dim), nn.ReLU(), nn.Linear(config.head_dim, context.num_classes)
        )
        self.head_learning_rate_scale = 1.0
        self.frozen = isinstance(config, FrozenBertConfig)
        if isinstance(config, FrozenBertConfig):
            self.encoder.requires_grad_(False)
            self.dropout = Dropout(config.dropout)
            if config.standardize:
                self.standardize = Standardize(width)
        else:
            self.encoder.embeddings.requires_grad_(not config.freeze_embeddings)
            if config.pooling == "cls" and not self.every_layer:
                keep_first_token(self.encoder)
            self.head_learning_rate_scale = config.head_learning_rate_scale
        self.train()  # from_pretrained leaves the encoder in eval mode, where a fine-tuned one has no dropout

    def train(self, mode: bool = True) -> Self:
        """Switch dropout on or off; a frozen encoder's stays off."""
        super().train(mode)
        if self.frozen:
            self.encoder.train(False)
        return self

    def forward(self, batch: Batch) -> Tensor:
        """Return (B, C) float32 logits."""
        return self._classify(self.pooled_features(batch))

    def word_vectors(self) -> nn.Embedding:
        """Return the encoder's word embeddings."""
        return cast(nn.Embedding, self.encoder.get_input_embeddings())

    def differentiable_logits(self, batch: Batch) -> Tensor:
        """Return (B, C) float32 logits; a frozen encoder's features are not rounded to halves on the way."""
        return self._classify(self._pooled_states(batch))

    def attention_weights(self, batch: Batch) -> Tensor:
        """Return the (B, T) weights of [CLS] for each token in the last layer, the mean over its heads."""
        return first_token_attention(self.encoder, batch.input_ids, batch.attention_mask)

    def _classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.standardize(features)))
        return logits.float()

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the encoder's trained parameters, if any, and the head at its own learning rate scale."""
        trained = [p for p in self.encoder.parameters() if p.requires_grad]
        head = ParameterGroup(list(self.head.parameters()), self.head_learning_rate_scale)
        return [ParameterGroup(trained), head] if trained else [head]

    def pooled_features(self, batch: Batch) -> Tensor:
        """Return the (B, F) features before standardization; F is E, or (L + 1) * E with all layers side by side."""
        if not self.frozen:
            return self._pooled_states(batch)
        features = self.extract_features(batch) if batch.features is None else batch.features
        chosen = features if self.every_layer else features[:, -1:]
        return chosen[:, :, list(POOLINGS).index(self.pooling)].flatten(1).float()

    def _pooled_states(self, batch: Batch) -> Tensor:
        pool, mask = POOLINGS[self.pooling], batch.attention_mask
        return torch.cat([pool(states, mask) for states in self._encode(batch, self.every_layer)], dim=-1)

    @torch.no_grad()
    def extract_features(self, batch: Batch) -> Tensor:
        """Return (B, L + 1, 2, E) float16: the embeddings' output and each layer's, [CLS] and mean of the real tokens.

        One cache of all of them serves every setting of pooling and layers.

        Raises:
            TypeError: the encoder is being fine-tuned.
        """
        if not self.frozen:
            return super().extract_features(batch)
        mask = batch.attention_mask
        layers = self._encode(batch, every_layer=True)
        pooled = [torch.stack([pool(states, mask) for pool in POOLINGS.values()], dim=1) for states in layers]
        return torch.stack(pooled, dim=1).half()

    def _encode(self, batch: Batch, every_layer: bool) -> tuple[Tensor, ...]:
        """Return the (B, T, E) states of the last layer, or of all L + 1 from the embeddings' output upwards.

        Where the head reads [CLS] of the last layer alone, T is 1.
        """
        longest, positions = batch.input_ids.shape[1], max_tokens(self.encoder.config)
        if longest > positions:
            raise ValueError(f"a review of {longest} tokens, but the encoder has {positions} positions")
        output = read_tokens(self.encoder, batch.input_ids, batch.attention_mask, output_hidden_states=every_layer)
        states: tuple[Tensor, ...] = output.hidden_states if every_layer else (output.last_hidden_state,)
        return states

    @torch.no_grad()
    def learn(self, batches: Iterable[Batch]) -> None:
        """Learn mean and deviation of the features over the train part, where they are standardized."""
        if isinstance(self.standardize, Standardize):
            device = self.standardize.mean.device
            self.standardize.learn(self.pooled_features(batch.to(device)) for batch in batches)


class Standardize(nn.Module):
    """Scale each of F features to mean 0 and variance 1; the identity until `learn` is called."""

    mean: Tensor
    std: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F) scaled features."""
        return (features - self.mean) / self.std

    def learn(self, parts: Iterable[Tensor]) -> None:
        """Take mean and standard deviation from (any, F) features, in one pass and in float64.

        A feature that varies by less than the resolution of a half has no variance, only noise of rounding (layer 0
        at [CLS] is equal for all reviews): it is centred and not scaled.

        Raises:
            ValueError: there are no features.
        """
        count = 0
        total, squares = torch.zeros(2, len(self.mean), dtype=torch.float64)
        for part in parts:
            values = part.cpu().double()  # Apple's GPUs have no float64
            count += len(values)
            total += values.sum(dim=0)
            squares += values.square().sum(dim=0)
        if count == 0:
            raise ValueError("no reviews to learn the features' mean and deviation from")
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        half = torch.finfo(torch.float16)
        resolution = half.eps * mean.abs().clamp(min=half.tiny)
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > resolution, std, 1.0))
