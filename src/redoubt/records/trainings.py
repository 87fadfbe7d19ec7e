"""Training records, read: what `redoubt train` wrote beside the weights."""

from pathlib import Path
from typing import Any

from redoubt.errors import RedoubtError
from redoubt.records import shapes
from redoubt.records.files import read_record


def read(path: Path, again: str = "redoubt train") -> dict[str, Any]:
    """One training record whose fields are what they should be.

    Args:
        again: the command that makes it.

    Raises:
        RedoubtError: it is missing, was changed, or selects an epoch that its history does not have.
    """
    record = read_record(path, again)
    shapes.check(record, shapes.Training, path, again)
    history = record.get("history", [])
    if history and record.get("best_epoch", 0) >= len(history):
        raise RedoubtError(
            "this record selects an epoch that it does not hold", file=path, key="best_epoch",
            value=record["best_epoch"], allowed=f"0 to {len(history) - 1}", hint=again,
        )  # fmt: skip
    return record
