"""What the trainer asks of a network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from data_pipeline.batch import Batch


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that share a multiple of the run's learning rate."""

    parameters: list[nn.Parameter]
    learning_rate_scale: float = 1.0


class Classifier(nn.Module, ABC):
    """A network that turns a Batch into logits."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """(B, C) logits of the batch's B reviews."""

    def parameter_groups(self) -> list[ParameterGroup]:
        """The trainable parameters; one group at the run's learning rate unless a model knows better."""
        return [ParameterGroup([p for p in self.parameters() if p.requires_grad])]

    def extract_features(self, batch: Batch) -> Tensor:
        """(B, ...) what the frozen part makes of the reviews; only for models registered with cache_features."""
        raise TypeError(f"{type(self).__name__} has no frozen part to take features from")

    def word_vectors(self) -> nn.Embedding | None:
        """The table whose rows stand for the tokens, where attributions begin; None where there is none."""
        return None

    def differentiable_logits(self, batch: Batch) -> Tensor:
        """(B, C) logits with a gradient down to the word vectors, also through a part that is frozen."""
        logits: Tensor = self(batch)
        return logits

    def linear_attributions(self, batch: Batch) -> Tensor | None:
        """(B, T) what each token adds to the last logit minus the first, where that is a sum; None elsewhere."""
        return None

    def attention_weights(self, batch: Batch) -> Tensor | None:
        """(B, T) share of its attention that the network pays each token, 0 at padding; None where there is none."""
        return None

    def trained_state(self) -> dict[str, Tensor]:
        """What training can change, by name: parameters with requires_grad and persistent buffers.

        A frozen encoder stays out, so that a checkpoint holds the head alone; build the network from the same encoder
        before loading. The tensors are the network's own, not copies.
        """
        frozen = {name for name, parameter in self.named_parameters() if not parameter.requires_grad}
        return {name: tensor for name, tensor in self.state_dict().items() if name not in frozen}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `trained_state` gave.

        Raises:
            ValueError: a tensor is missing, unexpected or of another shape; nothing is loaded then.
        """
        own = self.trained_state()
        problems = {
            "missing": sorted(own.keys() - state.keys()),
            "unexpected": sorted(state.keys() - own.keys()),
            "of another shape": sorted(n for n in own.keys() & state.keys() if own[n].shape != state[n].shape),
        }
        found = [f"{len(names)} {problem} ({', '.join(names[:3])})" for problem, names in problems.items() if names]
        if found:
            raise ValueError(f"this state belongs to another {type(self).__name__}: {'; '.join(found)}")
        self.load_state_dict(dict(state), strict=False)


def unshare_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, each in memory of its own: safetensors takes none that share it, as tied weights do."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        found[name] = plain.clone() if place in seen else plain
        seen.add(place)
    return found
