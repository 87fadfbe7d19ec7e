"""Tiny fine-tuning runs for the tests of vAFT, AFD, ARREST, AFKD and RiFT."""

import torch
from torch import nn

from redoubt.config import Training
from redoubt.defenses.base import Batch, State
from redoubt.training.optimization import optimizer

EPS = 0.2


class Tiny(nn.Module):
    """Two linear layers with batch norm on 1x2x2 images, with the parts of a classifier."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleDict({"block1": nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh())})
        self.head = nn.Linear(5, 3)

    def features(self, x):
        return self.stages["block1"](x.flatten(1))

    def forward(self, x):
        return self.head(self.features(x))


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(kind, lr=0.1, weight_decay=0.01, momentum=0.9, **params):
    """A float64 defense on the tiny network, its start apart from it, a batch and a state of 4 epochs."""
    torch.manual_seed(0)
    defense = kind(
        shape=(3, 1, 2), architecture={}, threat={"norm": "linf", "eps": EPS}, params=kind.Params(**params)
    )
    defense.classifier = Tiny
    model = defense.build().double().train()
    with torch.no_grad():
        for p in model.start.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draws(4), dtype=p.dtype))
    x, y = torch.rand(6, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 1])
    make = optimizer(Training(source="test", epochs=1, lr=lr, weight_decay=weight_decay, momentum=momentum))
    state = State(model, defense.optimizers(model, make), draws(), epochs=4)
    return defense, Batch(x, y, torch.arange(6)), state


def small(kind, steps=3, params=None):
    """A defense on the small network of the digits study after some steps; networks of equal seeds are equal."""
    defense = kind(
        shape=(10, 1, 8),
        architecture={"name": "small_cnn", "options": {"width": 4}},
        threat={"norm": "linf", "eps": EPS},
        params=kind.Params(**(params or {})),
    )
    torch.manual_seed(0)
    model = defense.build().train()
    make = optimizer(Training(source="test", epochs=1, lr=0.05))
    state = State(model, defense.optimizers(model, make), draws(), epochs=4)
    batch = Batch(torch.rand(12, 1, 8, 8, generator=draws(1)), torch.arange(12) % 10, torch.arange(12))
    for _ in range(steps):
        defense.step(batch, state)
    return defense, state, batch
