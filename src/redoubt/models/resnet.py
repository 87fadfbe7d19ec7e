"""ResNet-18, -34, -50, -101 (He et al. 2016): torchvision's networks behind the stem that the image size asks for."""

from typing import TYPE_CHECKING

from torch import nn

from redoubt.errors import RedoubtError, nearest
from redoubt.models.base import Classifier, Pool, windows

if TYPE_CHECKING:
    from torchvision.models import ResNet

SMALL = 64  # up to this side the default stem keeps the resolution, as is usual for CIFAR and Tiny-ImageNet

# name: (kernel, stride, padding, max pooling)
STEMS = {
    "cifar": (3, 1, 1, False),  # CURE's ResNet-18, and nearly everybody's
    "unpadded": (3, 1, 0, False),  # AFD's training code: 30x30 maps from 32x32 images
    "strided": (3, 2, 1, True),  # AToP's code, on images enlarged to 256x256
    "imagenet": (7, 2, 3, True),  # CURE's code for its ResNet-50 and -101, on CIFAR too
}


def _stem(name: str, in_channels: int, network: "ResNet") -> nn.Sequential:
    kernel, stride, padding, pooled = STEMS[name]
    conv = nn.Conv2d(in_channels, 64, kernel, stride, padding, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # as torchvision does its own
    layers = [conv, network.bn1, network.relu]
    return nn.Sequential(*layers, network.maxpool) if pooled else nn.Sequential(*layers)


def _side(stem: str, image_size: int) -> int:
    """Side of the last maps."""
    kernel, stride, padding, pooled = STEMS[stem]
    side = (image_size + 2 * padding - kernel) // stride + 1
    return -(-side // (16 if pooled else 8))  # max pooling and three of the stages halve, rounding up


def resnet(
    *,
    num_classes: int,
    in_channels: int,
    image_size: int,
    depth: int,
    stem: str = "auto",
    window: int | None = None,
    normalize: str | None = "symmetric",
) -> Classifier:
    """ResNet-`depth`, on images of any size.

    With the CIFAR stem and ten classes ResNet-18 has 11,173,962 parameters; with the ImageNet stem and 1,000
    classes ResNet-34, -50 and -101 have 21,797,672, 25,557,032 and 44,549,160.

    Args:
        depth: 18, 34, 50 or 101, as the registered name says.
        stem: `auto` is `cifar` up to 64 pixels and `imagenet` above; `STEMS` has the papers' others.
        window: side of the windows that are averaged apart, None for global pooling. 4 is AFD's on Tiny-ImageNet
            (RiFT_resnet.py 128, 153: 2,048 features of ResNet-18).

    Raises:
        RedoubtError: an unknown stem, or a window that does not divide the last maps.
    """
    from torchvision import models

    allowed = ["auto", *STEMS]
    if stem not in allowed:
        raise RedoubtError(
            "unknown stem", key="stem", value=stem, allowed=allowed, nearest=nearest(stem, allowed)
        )
    if stem == "auto":
        stem = "cifar" if image_size <= SMALL else "imagenet"
    network = getattr(models, f"resnet{depth}")(num_classes=num_classes)
    stages: dict[str, nn.Module] = {"stem": _stem(stem, in_channels, network)}
    stages |= {f"block{i}": getattr(network, f"layer{i}") for i in range(1, 5)}
    stages["pool"] = Pool(window)
    head, means = network.fc, windows(_side(stem, image_size), window)
    if means > 1:
        head = nn.Linear(head.in_features * means, num_classes)
    return Classifier(in_channels, stages, head, normalize)
