"""ResNet-18, -34, -50 (He et al. 2016): torchvision's networks, with the CIFAR stem for small images."""

from torch import nn

from redoubt.models.base import Classifier

SMALL = 64  # up to this side, a 3x3 stem of stride 1 and no pooling, as is usual for CIFAR and Tiny-ImageNet


def _resnet(depth: int, num_classes: int, in_channels: int, image_size: int) -> Classifier:
    from torchvision import models

    network = getattr(models, f"resnet{depth}")(num_classes=num_classes)
    if image_size <= SMALL:
        stem = [nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False), network.bn1, network.relu]
    else:
        conv = network.conv1 if in_channels == 3 else nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        stem = [conv, network.bn1, network.relu, network.maxpool]
    stages = {"stem": nn.Sequential(*stem)}
    stages |= {f"block{i}": getattr(network, f"layer{i}") for i in range(1, 5)}
    stages["pool"] = network.avgpool
    return Classifier(in_channels, stages, network.fc)


def resnet18(*, num_classes: int, in_channels: int, image_size: int) -> Classifier:
    """11.17 M parameters with the CIFAR stem and ten classes."""
    return _resnet(18, num_classes, in_channels, image_size)


def resnet34(*, num_classes: int, in_channels: int, image_size: int) -> Classifier:
    """21.80 M parameters with 1,000 classes at 224 pixels."""
    return _resnet(34, num_classes, in_channels, image_size)


def resnet50(*, num_classes: int, in_channels: int, image_size: int) -> Classifier:
    """25.56 M parameters with 1,000 classes at 224 pixels."""
    return _resnet(50, num_classes, in_channels, image_size)
