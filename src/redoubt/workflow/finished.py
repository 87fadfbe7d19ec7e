"""What of a run is finished, kept where no workflow deletes it: a seed that was trained is not trained twice.

Snakemake deletes the outputs of a job before it starts, and again when it fails or is canceled: of all its seeds, and
also where only an input was damaged. Hard links under `.redoubt/finished` keep the weights (no space is taken twice),
copies the records, and the next call puts them back where they are what would be made today.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redoubt.errors import RedoubtError
from redoubt.records.files import read_record, sealed, sha256, write_whole

FOLDER = ".redoubt/finished"


class Finished:
    """The finished files of one unit of work.

    Args:
        root: of the project.
        what: the unit, e.g. `train/digits/pgd_at/main/seed0`.
        files: what it makes, below `root`.
        mark: what changes when they would come out otherwise; RedoubtError where that cannot be known.
    """

    def __init__(self, root: Path, what: str, files: list[Path], mark: Callable[[], str]):
        self.root, self.files, self.mark = root, files, mark
        self.folder = root / FOLDER / what
        self.listing = self.folder / "files.json"

    def restore(self) -> bool:
        """Puts back what is not there; False, with nothing changed, unless every file is whole and of today's mark."""
        listed = self._listed()
        missing = []
        for name, hashed in listed.items():
            here, kept = self.root / name, self._kept(Path(name))
            if here.is_file() and sha256(here) == hashed:
                continue
            if not (kept.is_file() and sha256(kept) == hashed):
                return False
            missing.append((kept, here))
        for kept, here in missing:
            _link(kept, here)
        return bool(listed)

    def keep(self) -> None:
        """Keeps the files as they are now."""
        for file in self.files:
            _link(file, self._kept(file))
        names = {f.relative_to(self.root).as_posix(): sha256(f) for f in self.files}
        write_whole(self.listing, sealed({"schema": 1, "mark": self.mark(), "files": names}))

    def _listed(self) -> dict[str, Any]:
        if not self.listing.is_file():
            return {}
        try:
            said = read_record(self.listing, "")
            names = {f.relative_to(self.root).as_posix() for f in self.files}
            whole = said["mark"] == self.mark() and said["files"].keys() == names
        except (RedoubtError, KeyError, AttributeError):
            return {}
        return said["files"] if whole else {}

    def _kept(self, file: Path) -> Path:
        return self.folder / file.name


def _link(file: Path, to: Path) -> None:
    """The same file under another name, in one move. A record is copied, so that it survives a change in its place."""
    beside = to.with_name(f".{to.name}.{os.getpid()}.partial")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        if file.suffix == ".json" or not _linked(file, beside):
            shutil.copy2(file, beside)
        os.replace(beside, to)
        beside.unlink(missing_ok=True)  # a rename between two names of one file leaves both
    except OSError as error:
        raise RedoubtError(f"cannot write: {error.strerror}", file=to) from error


def _linked(file: Path, to: Path) -> bool:
    try:
        os.link(file, to)
    except OSError:  # a file system without hard links
        return False
    return True
