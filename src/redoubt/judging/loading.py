"""The model that is judged, from what a person names: a factory, weights of a known architecture, or a program."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from redoubt import models
from redoubt.errors import RedoubtError, nearest
from redoubt.models import exported, weights
from redoubt.records.files import sha256


@dataclass(frozen=True)
class Source:
    """A model and where it comes from.

    Attributes:
        model: whatever the person gave; `subject.look` makes a module of it.
        name: of files and pages.
        files: what was read: `factory`, `weights` or `program` -> {"path", "sha256"}.
        architecture: name and options, where one of the package's was named.
    """

    model: Any
    name: str = "model"
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    architecture: dict[str, Any] = field(default_factory=dict)


def named(text: str, kind: str) -> tuple[Path, str]:
    """`file.py:function` as its parts.

    Raises:
        RedoubtError: it is not written like that, or there is no such file.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if path.suffix != ".py" or not name.isidentifier():
        raise RedoubtError(
            f"{kind} is named by its file and function", value=text, allowed="file.py:function"
        )
    if not path.is_file():
        raise RedoubtError("there is no such file", file=path)
    return path, name


def function(text: str, kind: str) -> Callable:
    """A function of a person's own file, whose folder can be imported from.

    Raises:
        RedoubtError: see `named`; the file cannot be imported, or holds no such function.
    """
    path, name = named(text, kind)
    module = _imported(path)
    if not callable(getattr(module, name, None)):
        known = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise RedoubtError(
            "there is no such function in this file", file=path, value=name, allowed=known or None,
            nearest=nearest(name, known),
        )  # fmt: skip
    return getattr(module, name)


def _imported(path: Path) -> ModuleType:
    folder = str(path.parent.resolve())
    if folder not in sys.path:  # stays: a model may import as late as in its first call
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(f"judged_{path.stem}", path)
    assert spec  # a `.py` file that is there has one, and a loader
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RedoubtError(f"this file cannot be imported: {_text(error)}", file=path) from error
    return module


def _text(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"


def from_factory(text: str) -> Source:
    """What a function without arguments returns; `file.py:function`.

    Raises:
        RedoubtError: see `function`; the factory raises, or returns nothing that can be called.
    """
    make = function(text, "a factory")
    path, name = named(text, "a factory")
    try:
        model = make()
    except Exception as error:
        raise RedoubtError(f"the factory raised {_text(error)}", file=path, key=name) from error
    if not callable(model):
        raise RedoubtError(
            "the factory returned nothing that can be called", file=path, key=name, value=type(model).__name__,
            allowed="a module from [0, 1] pixels to logits",
        )  # fmt: skip
    return Source(model, path.stem, {"factory": {"path": text, "sha256": sha256(path)}})


def from_program(path: Path, expected: str | None = None) -> Source:
    """A `.pt2` of torch.export; RedoubtError: see `exported.program`."""
    files = {"program": {"path": path.as_posix(), "sha256": weights.check_hash(path, expected)}}
    return Source(exported.program(path, expected), path.stem, files)


def from_weights(
    path: Path, architecture: str, options: dict[str, Any], shape: dict[str, Any], expected: str | None = None
) -> Source:
    """A classifier of the package with the weights of a file.

    Args:
        options: of the architecture, e.g. {"width": 16, "normalize": "cifar10"}.
        shape: num_classes, in_channels and image_size of the images; None classes are read off the weights.
        expected: the file's sha256.

    Raises:
        RedoubtError: see `models.classifier`, `weights.read` and `weights.load_into`.
    """
    tensors = weights.read(path, expected)
    shape = {**shape, "num_classes": shape["num_classes"] or _classes(tensors)}
    model = weights.load_into(models.classifier(architecture, **shape, **options), tensors, path)
    files = {"weights": {"path": path.as_posix(), "sha256": sha256(path)}}
    return Source(model, path.stem, files, {"name": architecture, "options": options})


def _classes(tensors: dict[str, Tensor]) -> int:
    """The length of the last bias, that of the head where one is named so."""
    biases = [t for name, t in tensors.items() if name.endswith("bias") and t.ndim == 1]
    head = tensors.get("head.bias", biases[-1] if biases else next(reversed(tensors.values())))
    return len(head)
