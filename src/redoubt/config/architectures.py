"""The options of a classifier, checked before anything is trained, from its source: no torch is imported."""

import ast
import functools
from pathlib import Path
from typing import Any

from redoubt import models
from redoubt.errors import RedoubtError, nearest
from redoubt.sources import file_of

SHAPE = ("num_classes", "in_channels", "image_size")  # of the data, not of the study
KINDS = {"int": "a whole number from 1", "bool": "true or false", "str": "a word", "None": "null"}


def check_options(name: str, given: dict[str, Any], file: Path | str, key: str) -> None:
    """Refuses an option that a classifier does not have, or a value of another kind than it takes.

    Raises:
        RedoubtError: names the file, the key and what is allowed.
    """
    known = _options(models.module_of(name))
    for option, value in given.items():
        if option not in known:
            raise RedoubtError(
                f"unknown option of {name}", file=file, key=f"{key}.{option}", value=value, allowed=list(known),
                nearest=nearest(option, known),
            )  # fmt: skip
        kinds = known[option]
        if not any(_is(value, kind) for kind in kinds):
            allowed = " or ".join(KINDS[k] for k in kinds if k in KINDS)
            raise RedoubtError(
                f"{name} cannot take this", file=file, key=f"{key}.{option}", value=value, allowed=allowed
            )


def _is(value: Any, kind: str) -> bool:
    found = {"int": type(value) is int and value >= 1, "bool": isinstance(value, bool),
             "str": isinstance(value, str), "None": value is None}  # fmt: skip
    return found.get(kind, True)


@functools.cache
def _options(module: str) -> dict[str, list[str]]:
    """Option: the kinds of value that it takes, as the function of a network's file is annotated."""
    file, name = file_of(module), module.rpartition(".")[2]
    body = ast.parse(file.read_text(encoding="utf-8")).body if file else []
    (found,) = (node.args for node in body if isinstance(node, ast.FunctionDef) and node.name == name)
    arguments = [*found.args, *found.kwonlyargs]
    kinds = {a.arg: ast.unparse(a.annotation).split(" | ") if a.annotation else [] for a in arguments}
    return {option: kind for option, kind in kinds.items() if option not in SHAPE}
