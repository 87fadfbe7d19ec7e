"""PreActResNet-18 with the CIFAR stem (He et al. 2016, "Identity mappings in deep residual networks")."""

import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.models.base import Classifier, Pool


class PreActBlock(nn.Module):
    """norm, ReLU, conv, twice; the shortcut is a 1x1 convolution of the activated input where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        identity = self.shortcut(active) if self.shortcut is not None else x
        return self.conv2(F.relu(self.bn2(self.conv1(active)))) + identity


def preactresnet18(
    *,
    num_classes: int,
    in_channels: int,
    image_size: int,
    width: int = 64,
    normalize: str | None = "symmetric",
) -> Classifier:
    """Four stages of two blocks; 11,172,170 parameters at width 64 with ten classes, on images of any size.

    Args:
        width: channels of the first stage.
    """
    stages: dict[str, nn.Module] = {"stem": nn.Conv2d(in_channels, width, 3, 1, 1, bias=False)}
    inputs = width
    for i, outputs in enumerate((width, 2 * width, 4 * width, 8 * width)):
        stride = 1 if i == 0 else 2
        stages[f"block{i + 1}"] = nn.Sequential(
            PreActBlock(inputs, outputs, stride), PreActBlock(outputs, outputs, 1)
        )
        inputs = outputs
    stages["pool"] = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), Pool())
    return Classifier(in_channels, stages, nn.Linear(inputs, num_classes), normalize)
