"""VGG-19 (Simonyan and Zisserman 2015) from torchvision's layers: the classifier of PSSR's neighbor CAFD."""

from torch import nn

from redoubt.models.base import Classifier

SMALL = 64  # up to this side one linear layer stands for the three dense ones, as is usual for CIFAR


def vgg19(
    *,
    num_classes: int,
    in_channels: int,
    image_size: int,
    batch_norm: bool = True,
    normalize: str | None = "symmetric",
) -> Classifier:
    """Sixteen convolutions in five blocks: 20,040,522 parameters at 32 pixels with ten classes.

    Above 64 pixels it has the two dense layers of 4,096 with dropout: 143,678,248 parameters with 1,000 classes.
    A pooling that would leave nothing is left out, so that 8x8 works too.

    Args:
        batch_norm: after every convolution, as the CIFAR versions have it; the paper's network has none.
    """
    from torchvision.models.vgg import cfgs, make_layers

    stages: dict[str, nn.Sequential] = {}
    block, side = list[nn.Module](), image_size
    for layer in make_layers(cfgs["E"], batch_norm):
        if not isinstance(layer, nn.MaxPool2d):
            block.append(layer)
            continue
        if side > 1:
            block.append(layer)
            side //= 2
        stages[f"block{len(stages) + 1}"] = nn.Sequential(*block)
        block = []
    if in_channels != 3:
        stages["block1"][0] = nn.Conv2d(in_channels, 64, 3, padding=1)
    width = 512 * side * side
    if image_size > SMALL:
        rest = (nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5))
        stages["dense"] = nn.Sequential(
            nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(512 * 49, 4096), *rest
        )
        width = 4096
    network = Classifier(in_channels, stages, nn.Linear(width, num_classes), normalize)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # as torchvision initialises its own
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
