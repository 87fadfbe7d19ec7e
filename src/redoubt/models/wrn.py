"""Wide residual networks (Zagoruyko and Komodakis 2016) as adversarial training uses them: no dropout."""

import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.models.base import Classifier, Pool


class WideBlock(nn.Module):
    """Pre-activation block; where the width changes, both branches start from the activated input."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        identity = self.shortcut(active) if self.shortcut is not None else x
        return self.conv2(F.relu(self.bn2(self.conv1(active)))) + identity


def wrn(depth: int, widen: int, *, num_classes: int, in_channels: int) -> Classifier:
    """WRN-depth-widen: three stages of (depth - 4) / 6 blocks with 16, 32, 64 times `widen` channels."""
    blocks = (depth - 4) // 6
    stages = {"stem": nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False)}
    inputs = 16
    for i, outputs in enumerate((16 * widen, 32 * widen, 64 * widen)):
        first = WideBlock(inputs, outputs, 1 if i == 0 else 2)
        rest = [WideBlock(outputs, outputs, 1) for _ in range(blocks - 1)]
        stages[f"block{i + 1}"] = nn.Sequential(first, *rest)
        inputs = outputs
    stages["pool"] = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), Pool())
    network = Classifier(in_channels, stages, nn.Linear(inputs, num_classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # as in the paper's section 3: He initialisation
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def wrn28_10(*, num_classes: int, in_channels: int, image_size: int) -> Classifier:
    """WRN-28-10, 36.48 M parameters with ten classes."""
    return wrn(28, 10, num_classes=num_classes, in_channels=in_channels)


def wrn34_10(*, num_classes: int, in_channels: int, image_size: int) -> Classifier:
    """WRN-34-10, 46.16 M parameters with ten classes."""
    return wrn(34, 10, num_classes=num_classes, in_channels=in_channels)
