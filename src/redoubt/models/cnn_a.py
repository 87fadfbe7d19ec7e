"""The small network of provable defenses: two convolutions that halve the image, two full connections, ReLU.

Wong and Kolter 2018 (convex_adversarial) and Dathathri et al. 2020, who call it CNN-A.
"""

from torch import nn

from redoubt.errors import RedoubtError
from redoubt.models.base import Classifier

# The beginning of a name in published state dicts: in ours.
NAMES = {"0.": "stages.conv1.0.", "2.": "stages.conv2.0.", "5.": "stages.dense.1.", "7.": "head."}


def cnn_a(*, num_classes: int, in_channels: int, image_size: int, normalize: str | None = None) -> Classifier:
    """166,406 parameters for one channel of 28x28 and ten classes.

    Args:
        normalize: by default pixels stay as they are, as in convex_adversarial.

    Raises:
        RedoubtError: an image size that cannot be halved twice.
    """
    if image_size % 4:
        raise RedoubtError(
            "CNN-A halves the image twice", key="image_size", value=image_size, allowed="multiples of 4"
        )
    side = image_size // 4
    stages = {
        "conv1": nn.Sequential(nn.Conv2d(in_channels, 16, 4, 2, 1), nn.ReLU()),
        "conv2": nn.Sequential(nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU()),
        "dense": nn.Sequential(nn.Flatten(), nn.Linear(32 * side * side, 100), nn.ReLU()),
    }
    return Classifier(in_channels, stages, nn.Linear(100, num_classes), normalize)
