"""The defenses, one file a paper, loaded when asked for; `parameters/`: their hyper-parameters, without torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from redoubt.errors import RedoubtError, nearest

if TYPE_CHECKING:
    from redoubt.defenses.base import Defense
    from redoubt.defenses.parameters.base import Parameters

# name: (module, class); the class's hyper-parameters are `<class>Params` in the file of that name in `parameters/`.
# Lazy, so that the code fingerprint of one defense does not hold the others.
_REGISTRY = {
    "standard": ("redoubt.defenses.standard", "Standard"),
    "pgd_at": ("redoubt.defenses.pgd_at", "PgdAt"),
    "trades": ("redoubt.defenses.trades", "Trades"),
    "mart": ("redoubt.defenses.mart", "Mart"),
    "uiat": ("redoubt.defenses.uiat", "Uiat"),
    "fgsm_rs": ("redoubt.defenses.single_step", "FgsmRs"),
    "n_fgsm": ("redoubt.defenses.single_step", "NFgsm"),
    "cure": ("redoubt.defenses.cure", "Cure"),
    "cure_eff": ("redoubt.defenses.cure_eff", "CureEff"),
    "purifier": ("redoubt.defenses.purifier", "Purifier"),
    "atop": ("redoubt.defenses.atop", "Atop"),
    "atop_transfer": ("redoubt.defenses.atop", "AtopTransfer"),
    "pssr": ("redoubt.defenses.pssr", "Pssr"),
    "vaft": ("redoubt.defenses.vaft", "Vaft"),
    "afd": ("redoubt.defenses.afd", "Afd"),
    "arrest": ("redoubt.defenses.arrest", "Arrest"),
    "afkd": ("redoubt.defenses.afkd", "Afkd"),
    "rift": ("redoubt.defenses.rift", "Rift"),
    "block_freezing": ("redoubt.defenses.block_freezing", "BlockFreezing"),
    "external": ("redoubt.defenses.external", "External"),
}


def names() -> list[str]:
    """The defenses that a study may name."""
    return list(_REGISTRY)


def module_of(name: str) -> str:
    """The import path of the defense's file; RedoubtError for an unknown name."""
    if name not in _REGISTRY:
        raise RedoubtError("unknown defense", value=name, allowed=names(), nearest=nearest(name, names()))
    return _REGISTRY[name][0]


def get(name: str) -> type[Defense]:
    """The class of a defense; RedoubtError for an unknown name."""
    return getattr(importlib.import_module(module_of(name)), _REGISTRY[name][1])


def parameters_of(name: str) -> type[Parameters]:
    """The hyper-parameters of a defense, which is not imported; RedoubtError for an unknown name."""
    package, _, file = module_of(name).rpartition(".")
    return getattr(importlib.import_module(f"{package}.parameters.{file}"), f"{_REGISTRY[name][1]}Params")
