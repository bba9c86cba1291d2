"""Optimizers of a training: they step as torch's own, without torch's compiler."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from lib import ROOT
from lib.training.catalogue import OPTIMIZERS
from lib.training.optimizers import build_optimizer


def trained(name: str, compiled: bool) -> list[torch.Tensor]:
    """Parameters after three steps, and after one more of an optimizer that goes on from its state."""
    torch.manual_seed(0)
    network, loss = nn.Linear(4, 3), nn.Module()
    chosen = OPTIMIZERS.parse({"name": name, "learning_rate": 0.1, "weight_decay": 0.01})
    optimizer = build_optimizer(chosen, network, loss, compiled)
    for step in range(4):
        if step == 3:
            state = optimizer.state_dict()
            optimizer = build_optimizer(chosen, network, loss, compiled)
            optimizer.load_state_dict(state)
        optimizer.zero_grad(set_to_none=True)
        network(torch.ones(2, 4)).square().sum().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in network.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch_to_the_bit(name: str) -> None:
    for plain, wrapped in zip(trained(name, False), trained(name, True), strict=True):
        assert torch.equal(plain, wrapped) and plain.requires_grad is False


def test_the_compiler_is_not_imported() -> None:
    code = """
import sys, torch
from torch import nn
from lib.training.catalogue import OPTIMIZERS
from lib.training.optimizers import build_optimizer
network = nn.Linear(2, 1)
optimizer = build_optimizer(OPTIMIZERS.parse({"name": "adam", "learning_rate": 0.1}), network, nn.Module())
network(torch.ones(1, 2)).sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
