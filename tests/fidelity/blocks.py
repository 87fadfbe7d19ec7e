"""A network of four blocks with about 700 weights, and what the tests of AFD, vAFT and CURE do with golden numbers."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from redoubt.config import Training
from redoubt.defenses.base import Batch, State
from redoubt.models.base import Classifier, Pool
from redoubt.training.optimization import optimizer


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    conv, bn = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
    return nn.Sequential(OrderedDict(conv1=conv, bn1=bn, relu=nn.ReLU()))


class Blocks(Classifier):
    """A stem and four blocks of one convolution with batch norm on (N, 1, 8, 8) images; 4 features, 3 classes."""

    def __init__(self):
        strides = {"stem": 1, "block1": 1, "block2": 2, "block3": 2, "block4": 1}
        stages = {name: _conv(1 if name == "stem" else 4, 4, stride) for name, stride in strides.items()}
        super().__init__(1, {**stages, "pool": Pool()}, nn.Linear(4, 3), normalize=None)


def _values(module: nn.Module) -> list[Tensor]:
    """Weights and statistics in the order of the state dict; no counters, no constants of the normalization."""
    held = module.state_dict().items()
    return [v for name, v in held if v.dtype.is_floating_point and "normalize" not in name]


def flat(*modules: nn.Module) -> Tensor:
    """Every weight and statistic of the modules: one vector."""
    return torch.cat([v.flatten() for m in modules for v in _values(m)])


def filled(values: Tensor) -> Blocks:
    """The network whose `flat` is `values`."""
    network, at = Blocks().double(), 0
    for v in _values(network):
        v.copy_(values[at : at + v.numel()].view(v.shape))
        at += v.numel()
    assert at == len(values)
    return network


def begin(kind, initial: Tensor, eps: float, lr: float, weight_decay: float = 0.01, **params):
    """A float64 defense of class `kind` that starts from `filled(initial)`, and its state before any step."""
    defense = kind(
        shape=(3, 1, 8), architecture={}, threat={"norm": "linf", "eps": eps}, params=kind.Params(**params)
    )
    defense.classifier = Blocks
    model = defense.build().double().train()
    defense.initialize(model, filled(initial))
    make = optimizer(Training(source="golden", epochs=1, lr=lr, weight_decay=weight_decay, momentum=0.9))
    return defense, State(model, defense.optimizers(model, make), torch.Generator(), epochs=4)


def batch_of(arrays: dict[str, Tensor], step: int) -> Batch:
    """The images of a step."""
    return Batch(arrays["x"][step], arrays["y"][step], torch.arange(len(arrays["y"][step])))


def inject(monkeypatch, draw: str, noise: Tensor) -> None:
    """`Tensor.draw` (normal_, uniform_) gives `noise` instead of drawing."""
    monkeypatch.setattr(torch.Tensor, draw, lambda t, *_, **__: t.copy_(noise))


def close(found: Tensor, expected: Tensor, to: float = 1e-9) -> None:
    """Equal within `to`, absolute and relative."""
    torch.testing.assert_close(found.detach(), expected, rtol=to, atol=to)
