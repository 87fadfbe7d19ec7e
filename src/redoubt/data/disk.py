"""Folders that appear complete or not at all, and one clear error for a disk that cannot be written."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redoubt.errors import RedoubtError

UNWRITABLE = {
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the folder is read-only",
    errno.EACCES: "the folder is read-only (permission denied)",
    errno.EPERM: "the folder is read-only (operation not permitted)",
    errno.ENOTDIR: "a part of the path is a file and not a folder",
    errno.EEXIST: "a file is where the folder should be",
}
ABANDONED_S = 3600  # a work folder that nothing was written to for this long belongs to a killed process


@contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """Turns a failed write below `folder` into a RedoubtError that says why and what to do."""
    try:
        yield
    except OSError as error:
        reason = UNWRITABLE.get(error.errno or 0)
        if reason is None:
            raise
        raise RedoubtError(
            f"cannot write the data set: {reason}",
            file=folder,
            hint=f"make {folder.parent} writable with enough free space, or choose another folder; "
            "nothing was changed there",
        ) from error


@contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, hence on the same disk, that is gone afterwards, failure or not.

    What a killed process left is removed by the next one.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.partial-"
    for left in folder.parent.iterdir():
        with suppress(FileNotFoundError):  # another process may be removing it
            if left.name.startswith(prefix) and time.time() - left.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(left)
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put_in_place(built: Path, folder: Path, is_ours: Callable[[str], bool]) -> None:
    """Renames a complete folder to its place; an older one is moved away first and back if that fails.

    Raises:
        RedoubtError: `folder` holds a file that is not ours to delete.
    """
    foreign = sorted(p.name for p in folder.iterdir() if not is_ours(p.name)) if folder.is_dir() else []
    if foreign:
        raise RedoubtError(
            "the output folder holds files that are not part of a prepared data set; nothing was changed",
            file=folder / foreign[0],
            hint="choose an empty or new folder, or move these files away",
        )
    older = built.with_name(f"{built.name}-replaced")
    if folder.is_dir():
        os.rename(folder, older)
    try:
        os.rename(built, folder)
    except OSError:
        if older.is_dir():
            os.rename(older, folder)
        raise
