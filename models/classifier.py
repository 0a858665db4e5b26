"""The interface between the trainer and a network."""

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
    """A network that turns a Batch of B reviews of T tokens into logits of C classes."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Return (B, C) logits."""

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the trainable parameters: one group at the run's learning rate unless a model overrides this."""
        return [ParameterGroup([p for p in self.parameters() if p.requires_grad])]

    def extract_features(self, batch: Batch) -> Tensor:
        """Return the (B, ...) output of the frozen part; only for models registered with cache_features."""
        raise TypeError(f"{type(self).__name__} has no frozen part to take features from")

    def word_vectors(self) -> nn.Embedding | None:
        """Return the table of the tokens' vectors, where attributions begin; None if there is none."""
        return None

    def differentiable_logits(self, batch: Batch) -> Tensor:
        """Return (B, C) logits with a gradient down to the word vectors, also through a frozen part."""
        logits: Tensor = self(batch)
        return logits

    def linear_attributions(self, batch: Batch) -> Tensor | None:
        """Return (B, T) terms of the last logit minus the first, if it is a sum over tokens; else None."""
        return None

    def attention_weights(self, batch: Batch) -> Tensor | None:
        """Return the (B, T) attention paid to each token, 0 at padding, each row 1 in all; None without attention."""
        return None

    def trained_state(self) -> dict[str, Tensor]:
        """Return what training can change, by name: parameters with requires_grad and persistent buffers.

        The tensors are the network's own, not copies. Without a frozen encoder a checkpoint holds the head alone; the
        network it is loaded into must be built from the same encoder.
        """
        frozen = {name for name, parameter in self.named_parameters() if not parameter.requires_grad}
        return {name: tensor for name, tensor in self.state_dict().items() if name not in frozen}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Load the result of `trained_state`.

        Raises:
            RuntimeError: a tensor is missing, unexpected or of another shape.
        """
        trained = self.trained_state().keys()
        frozen = {name: tensor for name, tensor in self.state_dict().items() if name not in trained}
        self.load_state_dict({**frozen, **state})


def unshare_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors on the CPU without shared memory, as tied weights have it and safetensors refuses it."""
    unshared: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        address = plain.untyped_storage().data_ptr()
        unshared[name] = plain.clone() if address in seen else plain
        seen.add(address)
    return unshared
