"""Wide residual networks (Zagoruyko and Komodakis 2016) as adversarial training uses them: no dropout."""

import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.errors import RedoubtError
from redoubt.models.base import Classifier, Pool, windows


class WideBlock(nn.Module):
    """Pre-activation block; where the width changes, both branches start from the activated input."""

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


def wrn(
    *,
    num_classes: int,
    in_channels: int,
    image_size: int,
    depth: int = 28,
    widen: int = 10,
    window: int | None = None,
    normalize: str | None = "symmetric",
) -> Classifier:
    """WRN-depth-widen: three stages of (depth - 4) / 6 blocks with 16, 32, 64 times `widen` channels, any image size.

    With ten classes WRN-28-10 has 36,479,194 parameters, WRN-34-10 46,160,474, WRN-70-16 266,796,506.

    Args:
        window: side of the windows that are averaged apart, None for global pooling. 8 is AFD's on Tiny-ImageNet
            (RiFT_wideresnet.py 181, 204: 2,560 features of WRN-34-10).

    Raises:
        RedoubtError: a depth that is not 6 n + 4, or a window that does not divide the last maps.
    """
    blocks, rest = divmod(depth - 4, 6)
    if blocks < 1 or rest:
        raise RedoubtError(
            "no wide residual network has this depth",
            key="depth",
            value=depth,
            allowed="10, 16, 22, 28, 34, ...",
        )
    stages: dict[str, nn.Module] = {"stem": nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False)}
    inputs = 16
    for i, outputs in enumerate((16 * widen, 32 * widen, 64 * widen)):
        first = WideBlock(inputs, outputs, 1 if i == 0 else 2)
        others = [WideBlock(outputs, outputs, 1) for _ in range(blocks - 1)]
        stages[f"block{i + 1}"] = nn.Sequential(first, *others)
        inputs = outputs
    stages["pool"] = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), Pool(window))
    features = inputs * windows(-(-image_size // 4), window)
    network = Classifier(in_channels, stages, nn.Linear(features, num_classes), normalize)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # as in the paper's section 3: He initialisation
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
