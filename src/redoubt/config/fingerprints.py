"""Fingerprints of the code that decides a run: a hash of the syntax trees behind its weights, and behind its result."""

import ast
import functools
import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from redoubt import attacks as registry
from redoubt import defenses, models
from redoubt.records.files import digest
from redoubt.records.kept import Kept
from redoubt.sources import file_of

# These change no number: what they decide stands in the resolved run, or is text for people.
SILENT = (
    "redoubt.config",
    "redoubt.errors",
    "redoubt.params",
    "redoubt.records.files",
    "redoubt.records.provenance",
    "redoubt.progress",
    "redoubt.cli",
    "redoubt.data",
    "redoubt.training.checkpoints",  # what is kept of a training, and where; a resumed one ends with the same bytes
    "redoubt.evaluation.partial",
    "redoubt.training.parallel",  # nothing with one process; with several, their number stands in the record
)

# What a source says is kept where Python keeps its bytecode, for the Python that reads it and as this file reads it.
READER = [sys.version, hashlib.sha256(Path(__file__).read_bytes()).hexdigest()]
_KEPT = Kept(Path(importlib.util.cache_from_source(__file__)).with_name("syntax.json"))


def code_fingerprint(*modules: str) -> str:
    """Hash of the syntax trees of these modules and of every module of the package that they import."""
    return digest(code_modules(*modules))


def code_modules(*modules: str) -> dict[str, str]:
    """Module: hash of its syntax tree, for these modules and every module of the package that they import.

    Comments, docstrings and formatting do not count, so that only a change of meaning re-runs work.
    """
    seen: dict[str, str] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in seen or (name.startswith(SILENT) and name not in modules):
            continue
        file = file_of(name)
        if file is None:
            continue
        seen[name], imported = _read(file, os.stat(file).st_mtime_ns)
        todo += imported
    _KEPT.save()
    return dict(sorted(seen.items()))


@functools.cache
def _read(file: Path, changed: int) -> tuple[str, list[str]]:
    """Hash and imports of a module's file as it was `changed`: every attack of a run asks for them."""
    source = file.read_bytes()
    told = _KEPT.of(str(file), digest([hashlib.sha256(source).hexdigest(), READER]), lambda: _told(source))
    return told["hash"], told["imports"]


def _told(source: bytes) -> dict[str, Any]:
    tree = ast.parse(source)
    imported = _imports(tree)
    hashed = hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest()
    return {"hash": hashed, "imports": imported}


def _imports(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
    return [name for name in found if name.startswith("redoubt.")]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return tree


def training_modules(defense: str, architecture: str) -> dict[str, str]:
    """The modules that decide a run's weights, with the hash of each."""
    return code_modules(
        "redoubt.training.trainer",
        "redoubt.data.augment",
        defenses.module_of(defense),
        models.module_of(architecture),
    )


def training_code(defense: str, architecture: str) -> str:
    """Fingerprint of what decides a run's weights."""
    return digest(training_modules(defense, architecture))


def attack_modules(defense: str, architecture: str, attacks: list[str]) -> dict[str, str]:
    """The modules that decide a run's evaluation, given its weights, with the hash of each."""
    used = [registry.module_of(a) for a in attacks]
    return code_modules(
        "redoubt.evaluation.evaluator",
        defenses.module_of(defense),
        models.module_of(architecture),
        *sorted(set(used)),
    )


def attack_code(defense: str, architecture: str, attacks: list[str]) -> str:
    """Fingerprint of what decides a run's evaluation, given its weights."""
    return digest(attack_modules(defense, architecture, attacks))
