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


def reduced(root: Path) -> list[str]:
    """The studies that say of themselves that their budget is cut: their numbers are nobody's protocol."""
    return [name for name in studies(root) if _content(root, name).get("reduced") is True]


def _defenses(root: Path, study: str) -> dict:
    found = _content(root, study).get("defenses")
    return found if isinstance(found, dict) else {}


def _content(root: Path, study: str) -> dict:
    try:
        content = read_yaml(root / "studies" / f"{study}.yaml")
    except RedoubtError:
        return {}
    return content if isinstance(content, dict) else {}
