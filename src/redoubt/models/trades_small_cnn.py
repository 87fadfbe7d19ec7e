"""SmallCNN of TRADES (Zhang et al. 2019, section 5): four convolutions and three full connections, for MNIST."""

from torch import nn

from redoubt.errors import RedoubtError
from redoubt.models.base import Classifier

# The beginning of a name in published state dicts: in ours.
NAMES = {
    "feature_extractor.conv1.": "stages.block1.0.",
    "feature_extractor.conv2.": "stages.block1.2.",
    "feature_extractor.conv3.": "stages.block2.0.",
    "feature_extractor.conv4.": "stages.block2.2.",
    "classifier.fc1.": "stages.dense.1.",
    "classifier.fc2.": "stages.dense.4.",
    "classifier.fc3.": "head.",
}


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Two unpadded convolutions, then half the size."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.Conv2d(outputs, outputs, 3), nn.ReLU(), nn.MaxPool2d(2)
    )


def trades_small_cnn(
    *, num_classes: int, in_channels: int, image_size: int, normalize: str | None = None
) -> Classifier:
    """312,202 parameters for one channel of 28x28 and ten classes.

    Args:
        normalize: by default pixels stay as they are, as in TRADES' code.

    Raises:
        RedoubtError: images that the unpadded convolutions use up.
    """
    side = ((image_size - 4) // 2 - 4) // 2
    if side < 1:
        raise RedoubtError(
            "the convolutions of SmallCNN leave nothing of such images",
            key="image_size", value=image_size, allowed="16 or more",
        )  # fmt: skip
    stages = {
        "block1": _block(in_channels, 32),
        "block2": _block(32, 64),
        "dense": nn.Sequential(
            nn.Flatten(), nn.Linear(64 * side * side, 200), nn.ReLU(), nn.Dropout(0.5), nn.Linear(200, 200), nn.ReLU()
        ),
    }  # fmt: skip
    return Classifier(in_channels, stages, nn.Linear(200, num_classes), normalize)
