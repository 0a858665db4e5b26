"""What every network has."""

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.classifier import Classifier, unshare_memory


class Tied(Classifier):
    """Two layers that share one weight, and a bias that is a part of a larger tensor."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.second.bias = nn.Parameter(torch.arange(6.0)[3:])

    def forward(self, batch):
        raise NotImplementedError


def test_tied_weights_can_be_saved_and_come_back(tmp_path):
    model, again = Tied(), Tied()
    save_file(unshare_memory(model.trained_state()), tmp_path / "state.safetensors")
    again.load_trained_state(load_file(tmp_path / "state.safetensors"))

    assert again.second.weight is again.first.weight
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in again.state_dict().items())
