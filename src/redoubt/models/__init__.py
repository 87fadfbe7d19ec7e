"""Classifiers and purifiers by name: `classifier("resnet18", num_classes=10, in_channels=3, image_size=32)`.

One file a family, imported when one of its networks is first asked for: naming a network costs no torch import, and
editing one family changes no other's fingerprint.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from redoubt.errors import RedoubtError, nearest

if TYPE_CHECKING:
    from torch import nn

    from redoubt.models.base import Classifier

# name: (the module, whose function has the same name; the arguments that the name fixes)
_CLASSIFIERS: dict[str, tuple[str, dict[str, int]]] = {
    "small_cnn": ("small_cnn", {}),
    "lenet5": ("lenet5", {}),
    "preactresnet18": ("preactresnet18", {}),
    "resnet18": ("resnet", {"depth": 18}),
    "resnet34": ("resnet", {"depth": 34}),
    "resnet50": ("resnet", {"depth": 50}),
    "resnet101": ("resnet", {"depth": 101}),
    "wrn": ("wrn", {}),
    "wrn28_10": ("wrn", {"depth": 28, "widen": 10}),
    "wrn34_10": ("wrn", {"depth": 34, "widen": 10}),
    "wrn70_16": ("wrn", {"depth": 70, "widen": 16}),
    "vgg19": ("vgg19", {}),
    "trades_small_cnn": ("trades_small_cnn", {}),
    "cnn_a": ("cnn_a", {}),
}
_PURIFIERS: dict[str, tuple[str, dict[str, int]]] = {
    "inpainter": ("inpainter", {}),
    "mae": ("mae", {}),
    "extrapolator": ("extrapolator", {}),
}
_SHAPE = {"num_classes", "in_channels", "image_size", "channels"}


def names() -> list[str]:
    """The classifiers that a study may name."""
    return list(_CLASSIFIERS)


def purifiers() -> list[str]:
    """The purifiers that a defense may name."""
    return list(_PURIFIERS)


def module_of(name: str) -> str:
    """The import path of the file that holds a classifier or a purifier; RedoubtError for an unknown name."""
    return f"{__name__}.{_found(name)[0]}"


def published_names(name: str) -> dict[str, str]:
    """How the names in published state dicts of a network begin -> how ours do; empty where none is known."""
    return getattr(import_module(module_of(name)), "NAMES", {})


def options(name: str) -> dict[str, object]:
    """What a network accepts beyond the shape of its data: option -> default; RedoubtError for an unknown name."""
    _, fixed = _found(name)
    parameters = inspect.signature(_function(name)).parameters
    return {k: p.default for k, p in parameters.items() if k not in _SHAPE and k not in fixed}


def classifier(name: str, *, num_classes: int, in_channels: int, image_size: int, **given) -> Classifier:
    """A freshly initialised classifier: [0, 1] pixels (N, in_channels, image_size, image_size) to logits.

    Args:
        given: options of that network (`options(name)`); every one takes `normalize`, see `base.Normalize`.

    Raises:
        RedoubtError: an unknown name or option, with the nearest one; a shape or value that the network cannot take.
    """
    _known(name, _CLASSIFIERS, "classifier")
    return _make(name, given, num_classes=num_classes, in_channels=in_channels, image_size=image_size)


def purifier(name: str, *, channels: int, image_size: int, **given) -> nn.Module:
    """A freshly initialised network that restores images (N, channels, image_size, image_size).

    What it takes and gives stands in each one's file. A defense that builds one names its class in an annotation,
    imported from its file: the fingerprint of the defense then holds the file.

    Raises:
        RedoubtError: as for `classifier`.
    """
    _known(name, _PURIFIERS, "purifier")
    return _make(name, given, channels=channels, image_size=image_size)


def _known(name: str, table: dict, kind: str) -> None:
    if name not in table:
        raise RedoubtError(f"unknown {kind}", value=name, allowed=list(table), nearest=nearest(name, table))


def _found(name: str) -> tuple[str, dict[str, int]]:
    both = {**_CLASSIFIERS, **_PURIFIERS}
    _known(name, both, "network")
    return both[name]


def _function(name: str):
    module, _ = _found(name)
    return getattr(import_module(f"{__name__}.{module}"), module)


def _make(name: str, given: dict[str, object], **shape: int) -> Any:
    allowed = options(name)
    for key in given:
        if key not in allowed:
            raise RedoubtError(
                f"unknown option of {name}", key=key, allowed=list(allowed), nearest=nearest(key, allowed)
            )
    return _function(name)(**shape, **_found(name)[1], **given)
