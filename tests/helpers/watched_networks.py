"""Networks that a training can be watched with, and trainers of them."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmark.training.config import TrainingConfig
from benchmark.training.trainer import Trainer
from data_pipeline.batch import Batch
from models.classifier import Classifier, ParameterGroup

CPU = torch.device("cpu")
FEATURES = 12  # of each review, see the fixture `parts`
TINY = {"embedding_dim": 16, "hidden_dim": 16}
OVERFITS = {"epochs": 12, "learning_rate": 0.05}  # the features are noisy: val/loss falls, then rises again
PLAIN = {"epochs": 1, "batch_size": 16, "schedule": "constant", "warmup_fraction": 0.0, "weight_decay": 0.0}


class Linear(Classifier):
    """Logits straight from a review's features; remembers what it was asked."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(FEATURES, 2)
        self.trained_on: list[tuple[str, ...]] = []
        self.evaluated_on: list[tuple[str, ...]] = []

    def forward(self, batch: Batch) -> Tensor:
        (self.trained_on if self.training else self.evaluated_on).append(batch.ids)
        return self.output(self.dropout(batch.features))


class Indifferent(Classifier):
    """Logits that no parameter can change: all gradients are 0, so that weight decay alone moves anything."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(FEATURES)
        self.output = nn.Linear(FEATURES, 2)
        nn.init.uniform_(self.norm.bias, 1, 2)
        nn.init.uniform_(self.output.bias, 1, 2)

    def forward(self, batch: Batch) -> Tensor:
        return 0.0 * self.output(self.norm(batch.features))


class TwoSpeeds(Classifier):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(FEATURES, 4), nn.Linear(4, 2)

    def forward(self, batch: Batch) -> Tensor:
        return self.head(torch.tanh(self.body(batch.features)))

    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup(list(self.body.parameters())), ParameterGroup(list(self.head.parameters()), 10.0)]


class NanAtStep(Linear):
    """Its logits are not numbers at one training step; keeps the weights that it had then."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, batch: Batch) -> Tensor:
        logits = super().forward(batch)
        if self.training and len(self.trained_on) == self.step:
            self.before = {name: tensor.clone() for name, tensor in self.state_dict().items()}
            return logits * float("nan")
        return logits


class InfiniteSlope(Linear):
    """A finite loss whose gradient is infinite: the root of 0."""

    def __init__(self) -> None:
        super().__init__()
        self.root = nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch) -> Tensor:
        return super().forward(batch) + torch.cat([self.root.sqrt(), torch.zeros(1)])


class NanOnVal(Linear):
    def forward(self, batch: Batch) -> Tensor:
        logits = super().forward(batch)
        return logits if self.training else logits * float("nan")


def trainer(model: Classifier, *, seed: int = 0, progress: Any = None, **settings: Any) -> Trainer:
    config = TrainingConfig(**PLAIN | settings)
    return Trainer(model, config, seed=seed, device=CPU, precision="fp32", progress=progress)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
