"""What all classifiers share: normalisation inside, features and head."""

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """(x - mean) / std by channel; the default maps [0, 1] to [-1, 1]."""

    def __init__(self, channels: int, mean: float = 0.5, std: float = 0.5):
        super().__init__()
        self.register_buffer("mean", torch.full((1, channels, 1, 1), mean))
        self.register_buffer("std", torch.full((1, channels, 1, 1), std))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Classifier(nn.Module):
    """head(features(x)): `stages` maps normalised pixels to (N, D), `head` maps those to logits.

    Attributes:
        stages: named parts in order, stem first; CURE's block study freezes them by name.
        head: nn.Linear(D, num_classes).
    """

    def __init__(self, in_channels: int, stages: dict[str, nn.Module], head: nn.Linear):
        super().__init__()
        self.normalize = Normalize(in_channels)
        self.stages = nn.ModuleDict(stages)
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """Penultimate features (N, D) of [0, 1] pixels."""
        x = self.normalize(x)
        for stage in self.stages.values():
            x = stage(x)
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def blocks(self) -> dict[str, list[nn.Module]]:
        """Named blocks from stem to head."""
        return {**{name: [stage] for name, stage in self.stages.items()}, "head": [self.head]}


class Pool(nn.Module):
    """The mean over all positions: (N, C, H, W) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))
