"""Models that no study trained: weights of a published architecture, or what a factory of one's own returns.

    model = from_weights(Path("best.pt"), "resnet18", num_classes=10, in_channels=3, image_size=32)
    model = from_factory("model.py:load")

Weights are data: reading them runs nothing that the file holds. A factory is a program and is run.
"""

import importlib.util
import pickle
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from redoubt import models
from redoubt.errors import RedoubtError, nearest
from redoubt.records.files import sha256

WRAPPED = ("state_dict", "model_state_dict", "model", "net")  # where training scripts put the weights
PREFIXES = ("module.", "_orig_mod.")  # nn.DataParallel's and torch.compile's
NAMED = 3  # keys that an error names


def from_weights(path: Path, architecture: str, *, expected: str | None = None, **shape) -> nn.Module:
    """A classifier of this project with the weights of a file, on the CPU in eval mode.

    Args:
        path: see `read_weights`.
        architecture: a name of `models.names`.
        expected: the file's sha256, where it is known.
        shape: num_classes, in_channels, image_size and the options of the architecture.

    Raises:
        RedoubtError: see `read_weights`, `fit` and `models.classifier`.
    """
    model = models.classifier(architecture, **shape)
    return fit(model, read_weights(path, expected), path).eval()


def read_weights(path: Path, expected: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name: safetensors, or a state dict of torch, bare or as a training script wraps it.

    Args:
        expected: the file's sha256; None takes any.

    Raises:
        RedoubtError: there is no such file, it has another hash, it is damaged, or it holds anything but tensors:
            such a pickle could run code, so it is not opened.
    """
    path = Path(path)
    if not path.is_file():
        raise RedoubtError("there are no such weights", file=path)
    if expected is not None and (found := sha256(path)) != expected:
        raise RedoubtError(
            "these weights are not the ones that were asked for", file=path, key="sha256", value=found,
            allowed=expected, hint="fetch them again",
        )  # fmt: skip
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise RedoubtError(f"these weights are damaged: {error}", file=path) from None
    return _state(_unpickled(path), path)


def _unpickled(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise RedoubtError(
            "this file holds more than weights: opening it could run code, so it was not opened",
            file=path,
            allowed="safetensors, or a state dict",
            hint="torch.save(model.state_dict(), file), where you trust it",
        ) from None
    except Exception as error:  # a broken file raises whatever its bytes look like
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise RedoubtError(f"these weights are damaged: {text}", file=path) from None


def _state(content: object, path: Path) -> dict[str, Tensor]:
    """The tensors by name; a wrapper, or a list of one, is taken off."""
    if isinstance(content, list | tuple) and len(content) == 1:
        return _state(content[0], path)
    if isinstance(content, Mapping):
        if content and all(isinstance(v, Tensor) for v in content.values()):
            return dict(content)
        if inner := next((content[k] for k in WRAPPED if k in content), None):
            return _state(inner, path)
    found = list(content)[:NAMED] if isinstance(content, Mapping) else type(content).__name__
    raise RedoubtError("this file holds no state dict", file=path, value=found, allowed="tensors by name")


def fit(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The model with these weights; `nn.DataParallel`'s and `torch.compile`'s prefixes are taken off.

    Raises:
        RedoubtError: weights are missing, left over or of another shape; the first of each are named.
    """
    state, own = _bare(state), model.state_dict()
    rows = {
        "missing": [k for k in own if k not in state],
        "left over": [k for k in state if k not in own],
        "of another shape": [
            f"{k} {tuple(v.shape)}, the model has {tuple(own[k].shape)}"
            for k, v in state.items()
            if k in own and v.shape != own[k].shape
        ],
    }
    if any(rows.values()):
        said = [f"{len(k)} {what}: {', '.join(k[:NAMED])}" for what, k in rows.items() if k]
        raise RedoubtError(
            "the weights do not fit the model", file=path, value="; ".join(said),
            hint="another architecture, number of classes or number of channels",
        )  # fmt: skip
    model.load_state_dict(state)
    return model


def _bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = dict(state)
    for prefix in PREFIXES:
        if all(k.startswith(prefix) for k in state):
            state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def from_factory(where: str) -> Callable[[Tensor], Tensor]:
    """What a function without arguments in a file of one's own returns: a model of [0, 1] pixels.

    Args:
        where: `path/to/model.py:function`. The file's folder is importable while it runs.

    Raises:
        RedoubtError: no such file or function, one of them raises, or it returns nothing that can be called.
    """
    file, _, name = where.rpartition(":")
    path = Path(file)
    if not file or not name.isidentifier():
        raise RedoubtError("a factory is named by file and function", value=where, allowed="model.py:load")
    if not path.is_file():
        raise RedoubtError("there is no such file", file=path)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        module = _imported(path)
        if not callable(getattr(module, name, None)):
            known = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
            raise RedoubtError(
                "the file has no such function",
                file=path,
                value=name,
                allowed=known,
                nearest=nearest(name, known),
            )
        model = _ran(getattr(module, name), path, name)
    finally:
        sys.path.remove(str(path.parent.resolve()))
    if not callable(model):
        raise RedoubtError(
            "the factory returned nothing that can be called", file=path, key=name, value=type(model).__name__,
            allowed="an nn.Module",
        )  # fmt: skip
    return model


def _imported(path: Path):
    spec = importlib.util.spec_from_file_location(f"redoubt_factory_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise RedoubtError("a factory lies in a Python file", file=path, allowed="model.py:load")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up
    _ran(partial(spec.loader.exec_module, module), path, None)
    return module


def _ran(call: Callable, path: Path, name: str | None):
    try:
        return call()
    except RedoubtError:
        raise
    except Exception as error:
        text = (str(error).splitlines() or [""])[0]
        what = "the factory raised" if name else "the file cannot be imported:"
        raise RedoubtError(f"{what} {type(error).__name__}: {text}", file=path, key=name) from error
