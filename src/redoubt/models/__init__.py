"""Classifiers by name: `classifier(name, num_classes=…, in_channels=…, image_size=…, **options)`.

Every classifier takes [0, 1] pixels (N, C, H, W), normalises inside, and is `head(features(x))`.
"""

import importlib
import inspect

from torch import nn

from redoubt.errors import RedoubtError, nearest

# name: (module, function). Lazy, so that editing one family does not touch another's fingerprint.
_CLASSIFIERS = {
    "small_cnn": ("redoubt.models.small_cnn", "small_cnn"),
    "lenet5": ("redoubt.models.lenet", "lenet5"),
    "preactresnet18": ("redoubt.models.preactresnet", "preactresnet18"),
    "resnet18": ("redoubt.models.resnet", "resnet18"),
    "resnet34": ("redoubt.models.resnet", "resnet34"),
    "resnet50": ("redoubt.models.resnet", "resnet50"),
    "wrn28_10": ("redoubt.models.wrn", "wrn28_10"),
    "wrn34_10": ("redoubt.models.wrn", "wrn34_10"),
}


def names() -> list[str]:
    """The classifiers that a study may name."""
    return list(_CLASSIFIERS)


def module_of(name: str) -> str:
    """The import path of the classifier's file; RedoubtError for an unknown name."""
    if name not in _CLASSIFIERS:
        raise RedoubtError("unknown classifier", value=name, allowed=names(), nearest=nearest(name, names()))
    return _CLASSIFIERS[name][0]


def classifier(name: str, *, num_classes: int, in_channels: int, image_size: int, **options) -> nn.Module:
    """A freshly initialised classifier.

    Raises:
        RedoubtError: an unknown name or option; names the nearest.
    """
    make = getattr(importlib.import_module(module_of(name)), _CLASSIFIERS[name][1])
    allowed = sorted(set(inspect.signature(make).parameters) - {"num_classes", "in_channels", "image_size"})
    for option in options:
        if option not in allowed:
            raise RedoubtError(
                f"unknown option of {name}",
                key=option,
                allowed=allowed or "none",
                nearest=nearest(option, allowed),
            )
    return make(num_classes=num_classes, in_channels=in_channels, image_size=image_size, **options)
