"""Every attack by name: `get(name)(model, x, y, eps=..., norm=..., seed=..., batch_size=..., **parameters)`.

The modules are imported when an attack is first asked for: naming one in a config costs no torch import.
"""

import inspect
from collections.abc import Callable
from importlib import import_module

from redoubt.errors import RedoubtError, nearest

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
_SHARED = {"model", "x", "y", "eps", "norm", "seed", "batch_size"}


def names() -> list[str]:
    """The names that `get` knows."""
    return list(_WHERE)


def module_of(name: str) -> str:
    """The import path of the file that holds an attack; RedoubtError for an unknown name."""
    get(name)
    return f"{__name__}.{_WHERE[name][0]}"


def get(name: str) -> Callable:
    """The attack function of that name.

    Raises:
        RedoubtError: no attack has this name; the nearest one is named.
    """
    if name not in _WHERE:
        raise RedoubtError("unknown attack", value=name, allowed=names(), nearest=nearest(name, names()))
    module, function = _WHERE[name]
    return getattr(import_module(f"{__name__}.{module}"), function)


def parameters(name: str) -> dict[str, object]:
    """What an attack accepts beyond the shared arguments: keyword -> default.

    A keyword without a default (the surrogate of `transfer`) maps to `inspect.Parameter.empty`.

    Raises:
        RedoubtError: no attack has this name.
    """
    signature = inspect.signature(get(name))
    return {k: p.default for k, p in signature.parameters.items() if k not in _SHARED}
