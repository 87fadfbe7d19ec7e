"""Weights that others trained, read from a file without executing anything in it, and put into a model.

    tensors = read(Path("model.safetensors"), sha256="...")
    load_into(model, tensors, "model.safetensors")

A file of `torch.save` is a pickle: it is read with `weights_only=True` or not at all. A program of `torch.export` has
its own reader, `redoubt.models.exported`.
"""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from redoubt.errors import RedoubtError
from redoubt.records.files import sha256 as hash_of

# Where training scripts put the state dict among other things, in the order in which it is looked for.
HELD_IN = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "ema")
PREFIXES = ("module.", "_orig_mod.")  # nn.DataParallel's and torch.compile's
SHOWN = 3  # keys that a message names


def check_hash(path: Path, sha256: str | None) -> str:
    """The hash of a file's bytes.

    Raises:
        RedoubtError: there is no such file, or it has another hash than `sha256`, where that is given.
    """
    if not path.is_file():
        raise RedoubtError("there are no such weights", file=path)
    found = hash_of(path)
    if sha256 is not None and found != sha256.lower():
        raise RedoubtError(
            "these weights have another hash than was named", file=path, value=found, allowed=sha256
        )
    return found


def read(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Name: tensor on the CPU, in the order of the file; safetensors or a state dict of `torch.save`.

    A state dict may lie under one of the keys `HELD_IN`, or alone in a list; a prefix of `PREFIXES` that all names
    have is dropped.

    Args:
        sha256: of the file's bytes; another one is refused before anything is read.

    Raises:
        RedoubtError: no such file, another hash, a damaged file, a pickle of anything but tensors, no state dict.
    """
    check_hash(path, sha256)
    content = path.read_bytes()
    tensors = _of_torch(content, path) if _by_torch(content) else _of_safetensors(content, path)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def load_into(model: nn.Module, tensors: dict[str, Tensor], source: str | Path) -> nn.Module:
    """The model with these weights, in eval mode.

    Raises:
        RedoubtError: names or shapes do not fit; the first of them are named.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in tensors]
    more = [name for name in tensors if name not in own]
    other = [
        f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    found = {"missing": missing, "not in the model": more, "of another shape": other}
    if any(found.values()):
        raise RedoubtError(
            "these weights do not fit the architecture",
            file=source,
            value="; ".join(f"{len(names)} {what}: {_some(names)}" for what, names in found.items() if names),
            hint="name the architecture, its options and the number of classes that the weights were trained with",
        )
    model.load_state_dict(tensors)
    return model.eval()


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _by_torch(content: bytes) -> bool:
    """Written by `torch.save`: a zip archive, or the plain pickle of its old format.

    The header of safetensors begins with its length, whose first byte may be that of a pickle.
    """
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        return False
    return content[:1] == b"\x80" or zipfile.is_zipfile(io.BytesIO(content))


def _of_safetensors(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise RedoubtError(
            f"this is neither safetensors nor a file of torch.save: {error}", file=path
        ) from None


def _of_torch(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise RedoubtError(
            "this file holds more than tensors: reading it would execute what is in it, so it was not read",
            file=path, allowed="safetensors, or torch.save(model.state_dict(), file)",
        ) from None  # fmt: skip
    except Exception as error:  # broken bytes raise whatever they look like
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise RedoubtError(f"these weights are damaged: {why}", file=path) from None
    found = _state_dict(held)
    if found is None:
        keys = list(held)[:SHOWN] if isinstance(held, dict) else type(held).__name__
        raise RedoubtError(
            "there is no state dict in this file", file=path, value=keys,
            allowed=f"tensors by name, or under one of {', '.join(HELD_IN)}",
        )  # fmt: skip
    return found


def _state_dict(held: Any) -> dict[str, Tensor] | None:
    if isinstance(held, list | tuple) and len(held) == 1:
        held = held[0]
    if not isinstance(held, dict):
        return None
    if held and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in held.items()):
        return dict(held)
    inside = [held[key] for key in HELD_IN if key in held]
    return next((found for part in inside if (found := _state_dict(part)) is not None), None)
