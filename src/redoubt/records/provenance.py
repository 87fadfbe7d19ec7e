"""Who, what, when, on what: the part of every record that says how it came to be."""

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from redoubt.records.instructions import instructions
from redoubt.sources import PACKAGE


def provenance(started: float, device: str) -> dict[str, Any]:
    """How a record came to be: command, time, commit, versions, hardware."""
    import torch

    return {
        "command": shlex.join(["redoubt", *map(_without_folder, sys.argv[1:])]),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        **_commit(),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("redoubt", "torch", "torchvision", "numpy", "pyautoattack")},
        },
        "hardware": hardware(device),
        "instructions": None if device.startswith("cuda") else instructions(),
        "tf32": torch.backends.cuda.matmul.allow_tf32 if device.startswith("cuda") else None,
        "threads": torch.get_num_threads(),
    }


def _without_folder(word: str) -> str:
    """A word of a command; of a path of this machine, which tells nobody else anything, the last part."""
    option, equals, value = word.rpartition("=")
    return option + equals + Path(value).name if Path(value).is_absolute() else word


def hardware(device: str) -> str:
    """The model of the GPU, or of the processor with its cores."""
    import torch

    return torch.cuda.get_device_name() if device.startswith("cuda") else _processor()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    """The commit of the code that runs and whether its tree differs from it; both None where no repository holds it.

    Records are no difference: a study that is being recorded writes them into the tree, and they decide no number.
    Whatever repository the command is called in is not asked, nor is one that Git's variables name.
    """
    own = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    ask = lambda *a: (
        subprocess.run(
            ["git", "-C", str(PACKAGE), *a], capture_output=True, text=True, check=True, timeout=20, env=own
        ).stdout
    )
    try:
        # A folder of packages inside of a repository is not its code.
        ask("ls-files", "--error-unmatch", "errors.py")
        return {
            "commit": ask("rev-parse", "HEAD").strip(),
            "dirty": bool(ask("status", "--porcelain", ":/", ":(top,exclude)results").strip()),
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
