"""Answers that were computed before, each under the hash of what it was computed from.

A file of them may be lost, cut short or changed at any time: what does not match its own hash is computed anew.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redoubt.errors import RedoubtError
from redoubt.records.files import read_record, write_record


class Kept:
    """One file of answers, plain data each.

    Args:
        file: where they lie between two commands; it is read at the first question.
    """

    def __init__(self, file: Path):
        self.file = file
        self._answers: dict[str, Any] | None = None
        self._new = False

    def of(self, name: str, inputs: str, compute: Callable[[], Any]) -> Any:
        """The answer under this name if it was computed from these inputs, else a new one in its place.

        Args:
            inputs: hash of everything that the answer depends on, code included.
        """
        if self._answers is None:
            self._answers = self._read()
        held = self._answers.get(name)
        if held is None or held["inputs"] != inputs:
            held = {"inputs": inputs, "answer": compute()}
            self._answers[name] = held
            self._new = True
        return held["answer"]

    def save(self) -> None:
        """Writes what is new; does nothing where the folder cannot be written."""
        if self._new:
            with contextlib.suppress(RedoubtError):
                write_record(self.file, {"answers": self._answers})
            self._new = False

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(RedoubtError, OSError):
            return read_record(self.file, "")["answers"]
        return {}
