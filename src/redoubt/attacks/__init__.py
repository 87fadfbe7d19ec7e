"""Every attack by name: `get(name)(model, x, y, eps=..., norm=..., seed=..., batch_size=..., **parameters)`.

The modules are imported when an attack is first asked for: naming one in a config, and its parameters, costs no torch
import.
"""

import ast
import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from redoubt.errors import RedoubtError, nearest
from redoubt.sources import file_of

_WHERE = {
    "none": ("clean", "none"),
    "fgsm": ("fgsm", "fgsm"),
    "rfgsm": ("fgsm", "rfgsm"),
    "pgd": ("pgd", "pgd"),
    "cw_pgd": ("pgd", "cw_pgd"),
    "cw": ("cw", "cw"),
    "ddn": ("ddn", "ddn"),
    "deepfool": ("deepfool", "deepfool"),
    "stadv": ("stadv", "stadv"),
    "inverse": ("inverse", "inverse"),
    "transfer": ("transfer", "transfer"),
    "corruption": ("corruptions", "corruption"),
    "apgd_ce": ("autoattack.apgd", "apgd_ce"),
    "apgd_dlr": ("autoattack.apgd", "apgd_dlr"),
    "apgd_t": ("autoattack.apgd", "apgd_t"),
    "fab_t": ("autoattack.fab", "fab_t"),
    "square": ("autoattack.square", "square"),
    "relaxed_mask": ("relaxed_mask", "relaxed_mask"),
    "feature_space": ("feature_space", "feature_space"),
    "autoattack": ("autoattack.ensemble", "autoattack"),
    "screen": ("autoattack.ensemble", "screen"),
}
_SHARED = {"eps", "norm", "seed", "batch_size"}
COMPUTED = object()  # a default that the source of an attack does not spell out


def names() -> list[str]:
    """The names that `get` knows."""
    return list(_WHERE)


def module_of(name: str) -> str:
    """The import path of the file that holds an attack; RedoubtError for an unknown name."""
    return f"{__name__}.{_known(name)[0]}"


def get(name: str) -> Callable:
    """The attack function of that name.

    Raises:
        RedoubtError: no attack has this name; the nearest one is named.
    """
    return getattr(import_module(module_of(name)), _known(name)[1])


def parameters(name: str) -> dict[str, object]:
    """What an attack accepts beyond the shared arguments: keyword -> default, read from its source.

    A keyword without a default (the surrogate of `transfer`) maps to `inspect.Parameter.empty`; a default that
    is computed (a constant of another module) to `COMPUTED`.

    Raises:
        RedoubtError: no attack has this name.
    """
    file = file_of(module_of(name))
    if file is None:
        raise RedoubtError("the file of this attack is missing", value=module_of(name))
    return _parameters(file, file.stat().st_mtime_ns, _known(name)[1])


@functools.cache
def _parameters(file: Path, changed: int, function: str) -> dict[str, object]:
    """The same of a function in a file as it was `changed`."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    (found,) = (node.args for node in body if isinstance(node, ast.FunctionDef) and node.name == function)
    pairs = zip(found.kwonlyargs, found.kw_defaults, strict=True)
    return {a.arg: _value(default) for a, default in pairs if a.arg not in _SHARED}


def _value(default: ast.expr | None) -> object:
    if default is None:
        return inspect.Parameter.empty
    try:
        return ast.literal_eval(default)
    except ValueError:
        return COMPUTED


def _known(name: str) -> tuple[str, str]:
    if name not in _WHERE:
        raise RedoubtError("unknown attack", value=name, allowed=names(), nearest=nearest(name, names()))
    return _WHERE[name]
