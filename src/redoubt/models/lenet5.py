"""LeNet-5 (LeCun et al. 1998) in its usual modern form: full connections, ReLU, max pooling."""

from torch import nn

from redoubt.errors import RedoubtError
from redoubt.models.base import Classifier


def lenet5(
    *, num_classes: int, in_channels: int, image_size: int, normalize: str | None = "symmetric"
) -> Classifier:
    """61,706 parameters for one channel of 28x28 (padded to 32x32) or 32x32 and ten classes.

    Raises:
        RedoubtError: another image size; the fully connected layer fits one.
    """
    if image_size not in (28, 32):
        raise RedoubtError(
            "LeNet-5 takes images of one size", key="image_size", value=image_size, allowed="28, 32"
        )
    stages = {
        "block1": nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=(32 - image_size) // 2), nn.ReLU(), nn.MaxPool2d(2)
        ),
        "block2": nn.Sequential(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        "dense": nn.Sequential(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
    }
    return Classifier(in_channels, stages, nn.Linear(84, num_classes), normalize)
