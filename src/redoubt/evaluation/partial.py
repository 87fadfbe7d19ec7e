"""What an interrupted evaluation had finished: rows on disk beside the result, under the mark of what made them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from redoubt.errors import RedoubtError
from redoubt.records.files import read_record, sealed, write_whole

Rows = list[dict[str, Any]]


class Partial:
    """Finished steps of one evaluation by name; each is on disk before the next begins.

    Args:
        path: of the file, `seed0.partial` beside `seed0.json`.
        mark: function of a step's name; a step whose mark has changed since is made anew.
    """

    def __init__(self, path: Path, mark: Callable[[str], str]):
        self.path, self.mark = path, mark
        self.kept: dict[str, dict[str, Any]] = _steps(path)

    def done(self, name: str) -> bool:
        """Whether a step is on disk and would come out the same today."""
        return self.kept.get(name, {}).get("mark") == self.mark(name)

    def step(self, name: str, make: Callable[[], Rows]) -> Rows:
        """The rows of a step, made only where they are not there yet."""
        if not self.done(name):
            self.kept[name] = {"mark": self.mark(name), "rows": make()}
            write_whole(self.path, sealed({"schema": 1, "steps": self.kept}))
        return self.kept[name]["rows"]

    def drop(self) -> None:
        """Removes the file, once the result is whole."""
        self.path.unlink(missing_ok=True)


def seconds(path: Path) -> dict[str, float]:
    """Step: what it took, of the steps that lie in a file."""
    return {name: sum(r["seconds"] for r in kept["rows"]) for name, kept in _steps(path).items()}


def _steps(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        return read_record(path, "redoubt attack")["steps"]
    except RedoubtError:  # cut short or changed: nothing of it can be believed
        return {}
