"""Whether a file of a parcel may take the place of what lies here: a whole record, and none that is older."""

from pathlib import Path, PurePosixPath
from typing import Any

from redoubt.errors import RedoubtError
from redoubt.records import challenges, results, trainings
from redoubt.records.files import read_record

RESUME = "resume.pt"  # what an unfinished training goes on from


def check_arrival(held: Path, name: str, root: Path, listing: Path) -> None:
    """Refuses what is no whole record where one belongs, and what is older than what lies here.

    Args:
        held: the file, unpacked among those that came with it.
        name: its path below `root`.

    Raises:
        RedoubtError: names the list, or the file here that is newer.
    """
    if held.name == RESUME:
        _check_resume(held, root / name)
    if held.suffix not in (".json", ".partial"):
        return
    try:
        new = _read(held, name)
    except RedoubtError as error:
        raise RedoubtError(
            f"this parcel holds a record that is none: {error.what}", file=listing, value=name
        ) from None
    here = _here(root / name)
    if here is not None and _later(here, new):
        raise _older(root / name, _started(here))


def _read(held: Path, name: str) -> dict[str, Any]:
    """The record of a parcel, as its place says what it is."""
    parts = PurePosixPath(name).parts
    beside = parts[4] if len(parts) == 6 else ""  # results/STUDY/DEFENSE/VARIANT/training/seed0.json
    if held.suffix == ".partial":
        return read_record(held, "redoubt pack STUDY")
    if parts[0] == "checkpoints" or beside == "training":
        return trainings.read(held)
    return challenges.read(held) if beside == "challenges" else results.read(held, challenged=False)


def _here(path: Path) -> dict[str, Any] | None:
    """The record that lies here; None where there is none, or it is damaged: the parcel's is better."""
    try:
        return read_record(path, "")
    except RedoubtError:
        return None


def _older(path: Path, when: str) -> RedoubtError:
    return RedoubtError(
        "this parcel is older than what is here; nothing was changed", file=path, value=when or None,
        hint="remove the file, if the parcel's is wanted",
    )  # fmt: skip


def _started(record: dict[str, Any]) -> str:
    return str((record.get("provenance") or {}).get("started", ""))


def _later(here: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a record was begun after another, or a partial one holds steps that the other lacks."""
    steps = [set(r.get("steps") or ()) for r in (here, new)]
    return _started(here) > _started(new) or not steps[0] <= steps[1]


def _check_resume(held: Path, here: Path) -> None:
    """Refuses a resume file where one lies here that is further on, or that is of another mark and was begun later,
    and where a training lies here that was finished since.
    """
    finished = _here(here.with_name("record.json"))
    if finished is None and not here.is_file():
        return
    mark, epochs, begun = _progress(held)
    if finished is not None and _started(finished) >= begun:
        raise _older(here.with_name("record.json"), _started(finished))
    other, further, later = _progress(here)
    if further > epochs or (other != mark and later > begun):
        raise _older(here, f"{further} epochs, begun {later}")


def _progress(resume: Path) -> tuple[str, int, str]:
    """Of a resume file: its mark, its whole epochs, when it was begun; nothing where it cannot be gone on with."""
    from redoubt.training.checkpoints import unfinished  # torch, which no other file of a parcel asks for

    try:
        left = unfinished(resume)
        return str(left["mark"]), len(left["history"]), str(left["parts"][0]["started"])
    except (RedoubtError, LookupError, TypeError, OSError):
        return "", 0, ""
