"""What a check of hashes says of one file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What is known of one file: `state` is good, bad, stale, absent or listed, and `why` says what is wrong."""

    kind: str
    file: str
    state: str
    why: str = ""


def aged(kind: str, name: str, reasons: list[str]) -> Finding:
    """Of a file that is whole: stale, for these reasons, or good where there is none."""
    return Finding(kind, name, "stale" if reasons else "good", "; ".join(reasons))


def name_of(root: Path, path: Path) -> str:
    """A file by its path below the project."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def run_of(record: dict[str, Any]) -> str:
    """`study/defense/variant/seedN`, as a record says it."""
    run = record["run"]
    return f"{run['study']}/{run['defense']}/{run['variant']}/seed{run['seed']}"
