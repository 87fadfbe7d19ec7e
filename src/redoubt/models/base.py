"""What all classifiers share: normalisation inside, named stages, penultimate features, a linear head."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from redoubt.errors import RedoubtError, nearest

# Mean and standard deviation of the training pixels, one value a channel, of images in [0, 1]. ImageNet's are
# torchvision's; the others are computed from the training split (tests/models recompute MNIST's and CIFAR-10's).
STATISTICS = {
    "mnist": ((0.1307,), (0.3081,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    # alpha-beta-CROWN's `preprocess_cifar`, in bytes: how its CNN-A networks were trained.
    "cifar10_sdp": ((125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


class Normalize(nn.Module):
    """(x - mean) / std by channel.

    Args:
        channels: of the images.
        normalize: `symmetric` (the default of every classifier) maps [0, 1] to [-1, 1] and needs no statistics of
            the data; None leaves pixels as they are (CURE's, TRADES' and MART's choice); a data set's name
            subtracts its training mean and divides by its standard deviation (`STATISTICS`).

    Raises:
        RedoubtError: an unknown name, or statistics of images with another number of channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, normalize: str | None = "symmetric"):
        super().__init__()
        known: dict[Any, tuple[tuple[float, ...], tuple[float, ...]]] = {
            "symmetric": ((0.5,) * channels, (0.5,) * channels),
            None: ((0.0,) * channels, (1.0,) * channels),
            **STATISTICS,
        }
        if normalize not in known:
            allowed = ["symmetric", "null", *STATISTICS]
            raise RedoubtError(
                "unknown normalization",
                key="normalize",
                value=normalize,
                allowed=allowed,
                nearest=nearest(normalize, allowed),
            )
        mean, std = known[normalize]
        if len(mean) != channels:
            fitting = ["symmetric", "null", *(k for k, v in STATISTICS.items() if len(v[0]) == channels)]
            raise RedoubtError(
                f"{normalize} images have {len(mean)} channels, these have {channels}",
                key="normalize",
                value=normalize,
                allowed=fitting,
            )
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Classifier(nn.Module):
    """head(features(x)): `stages` maps normalised pixels to (N, D), `head` maps those to logits.

    Args:
        in_channels: of the images.
        stages: named parts in order, stem first; CURE's block study freezes them by name.
        head: nn.Linear(D, num_classes).
        normalize: see `Normalize`.
    """

    def __init__(
        self,
        in_channels: int,
        stages: Mapping[str, nn.Module],
        head: nn.Linear,
        normalize: str | None = "symmetric",
    ):
        super().__init__()
        self.normalize = Normalize(in_channels, normalize)
        self.stages = nn.ModuleDict(stages)
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """Penultimate features (N, D) of [0, 1] pixels."""
        x = self.normalize(x)
        for stage in self.stages.values():
            x = stage(x)
        return x.flatten(1)

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """What each stage gives of [0, 1] pixels, by its name; the last of them, flattened, is `features`."""
        x, found = self.normalize(x), {}
        for name, stage in self.stages.items():
            x = found[name] = stage(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of [0, 1] pixels (N, C, H, W)."""
        return self.head(self.features(x))

    def blocks(self) -> dict[str, list[nn.Module]]:
        """Named blocks in order: stem, block1 …, head. Together they hold every parameter once."""
        return {**{name: [stage] for name, stage in self.stages.items()}, "head": [self.head]}


class Pool(nn.Module):
    """The mean over all positions: (N, C, H, W) -> (N, C), or over windows: -> (N, C, H / window, W / window).

    Not nn.AdaptiveAvgPool2d, whose backward pass on CUDA has no deterministic version.

    Args:
        window: side of the windows that are averaged apart, None for one mean.
    """

    def __init__(self, window: int | None = None):
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        if self.window is None:
            return x.mean((2, 3))
        return x.unflatten(3, (-1, self.window)).unflatten(2, (-1, self.window)).mean((3, 5))


def windows(side: int, window: int | None) -> int:
    """How many means a channel `Pool(window)` gives of maps of this side.

    Raises:
        RedoubtError: the maps are no whole number of windows wide.
    """
    if window is None:
        return 1
    if window < 1 or side % window:
        allowed = [None, *(w for w in range(1, side + 1) if side % w == 0)]
        raise RedoubtError(f"the last maps are {side}x{side}", key="window", value=window, allowed=allowed)
    return (side // window) ** 2
