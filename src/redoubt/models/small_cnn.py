"""A three-convolution network for the 8x8 digits: seconds on one CPU thread."""

from torch import nn

from redoubt.models.base import Classifier


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def small_cnn(
    *,
    num_classes: int,
    in_channels: int,
    image_size: int,
    width: int = 16,
    normalize: str | None = "symmetric",
) -> Classifier:
    """Convolutions of width, 2 width, 4 width with batch norm; the last two halve the image; no pooling.

    Args:
        width: channels of the first convolution.
    """
    side = -(-image_size // 4)
    stages = {
        "stem": _conv(in_channels, width, 1),
        "block1": _conv(width, 2 * width, 2),
        "block2": _conv(2 * width, 4 * width, 2),
    }
    return Classifier(in_channels, stages, nn.Linear(4 * width * side * side, num_classes), normalize)
