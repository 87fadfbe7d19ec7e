"""The names of all runs, read from the studies as they stand: nothing is resolved, no torch is imported."""

from pathlib import Path

from redoubt.config.load import read_yaml, studies
from redoubt.errors import RedoubtError


def runs(root: Path) -> list[str]:
    """Every `study/defense/variant` of `root/studies`; a study that cannot be read is left out."""
    found = []
    for name in studies(root):
        for defense, grid in _defenses(root, name).items():
            variants = grid.get("variants") if isinstance(grid, dict) else None
            found += [
                f"{name}/{defense}/{v}" for v in (variants if isinstance(variants, dict) else {"main": {}})
            ]
    return found


def _defenses(root: Path, study: str) -> dict:
    try:
        content = read_yaml(root / "studies" / f"{study}.yaml")
    except RedoubtError:
        return {}
    found = content.get("defenses") if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}
