"""Who, what, when, from which bytes: the parts of every record, and the fingerprint of the code behind it."""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from redoubt.errors import RedoubtError

# These change no number: what they decide stands in the resolved run, or is text for people.
SILENT = (
    "redoubt.config",
    "redoubt.errors",
    "redoubt.provenance",
    "redoubt.progress",
    "redoubt.cli",
    "redoubt.data",
)


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(content: Any) -> str:
    """Hash of plain data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


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
        file = _source(name)
        if file is None:
            continue
        seen[name], imported = _read(file, file.stat().st_mtime_ns)
        todo += imported
    return dict(sorted(seen.items()))


def _source(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


@functools.cache
def _read(file: Path, changed: int) -> tuple[str, list[str]]:
    """Hash and imports of a module's file as it was `changed`: every attack of a run asks for them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = _imports(tree)
    return hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest(), imported


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
    from redoubt import defenses, models

    return code_modules(
        "redoubt.training",
        "redoubt.data.augment",
        defenses.module_of(defense),
        models.module_of(architecture),
    )


def training_code(defense: str, architecture: str) -> str:
    """Fingerprint of what decides a run's weights."""
    return digest(training_modules(defense, architecture))


def attack_modules(defense: str, architecture: str, attacks: list[str]) -> dict[str, str]:
    """The modules that decide a run's evaluation, given its weights, with the hash of each."""
    from redoubt import attacks as registry
    from redoubt import defenses, models

    used = [registry.module_of(a) for a in attacks]
    return code_modules(
        "redoubt.evaluation", defenses.module_of(defense), models.module_of(architecture), *sorted(set(used))
    )


def attack_code(defense: str, architecture: str, attacks: list[str]) -> str:
    """Fingerprint of what decides a run's evaluation, given its weights."""
    return digest(attack_modules(defense, architecture, attacks))


def provenance(started: float, device: str) -> dict[str, Any]:
    """How a record came to be: command, time, commit, versions, hardware."""
    import torch

    return {
        "command": shlex.join(["redoubt", *sys.argv[1:]]),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        **_commit(),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("redoubt", "torch", "torchvision", "numpy", "pyautoattack")},
        },
        "hardware": torch.cuda.get_device_name() if device.startswith("cuda") else _processor(),
        "tf32": torch.backends.cuda.matmul.allow_tf32 if device.startswith("cuda") else None,
        "threads": torch.get_num_threads(),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    """The commit and whether the tree differs from it; both None without git."""
    try:
        ask = lambda *a: (
            subprocess.run(["git", *a], capture_output=True, text=True, check=True, timeout=20).stdout
        )
        return {
            "commit": ask("rev-parse", "HEAD").strip(),
            "dirty": bool(ask("status", "--porcelain").strip()),
        }
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _processor() -> str:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        rows = [
            r.split(":", 1)[1].strip() for r in info.read_text().splitlines() if r.startswith("model name")
        ]
        name = rows[0] if rows else name
    return f"{name}, {os.cpu_count()} cores"


def write_json(path: Path, content: Any) -> None:
    """Writes a record whole or not at all.

    Raises:
        RedoubtError: the folder cannot be written or the disk is full; what lay there before is untouched.
    """
    write_whole(path, _text(content))


def _text(content: Any) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Writes a record that carries the hash of its own content, as `write_json` does."""
    write_whole(path, sealed(content))


def sealed(content: dict[str, Any]) -> bytes:
    """The only bytes that a file of this content may have: its JSON, with the hash of the rest in `sha256`."""
    rest = {k: v for k, v in content.items() if k != "sha256"}
    return _text({**rest, "sha256": hashlib.sha256(_text(rest)).hexdigest()})


def read_record(path: Path, made_by: str) -> dict[str, Any]:
    """What `write_record` wrote; RedoubtError, with the command that makes it, where one bit of it is another."""
    content = read_json(path, made_by)
    if not isinstance(content, dict) or sealed(content) != path.read_bytes():
        raise RedoubtError(
            "this record was changed since it was written: it does not match its own hash",
            file=path, key="sha256", hint=made_by,
        )  # fmt: skip
    return content


def write_whole(path: Path, content: bytes) -> None:
    """Writes bytes beside the target and renames, so that a reader never sees half a file."""
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True) if beside.parent.is_dir() else None
        raise RedoubtError(
            f"cannot write: {error.strerror}",
            file=path,
            hint="free some space or choose a folder that can be written",
        ) from error


def read_json(path: Path, made_by: str) -> Any:
    """A record; RedoubtError, with the command that makes it, where it is missing or cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RedoubtError("there is no such record", file=path, hint=made_by) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise RedoubtError(f"this is not a whole record: {error}", file=path, hint=made_by) from None
