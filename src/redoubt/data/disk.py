"""Folders that appear complete or not at all, and one clear error for a disk that cannot be written."""

import ctypes
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from redoubt.errors import RedoubtError
from redoubt.records.files import to_disk

UNWRITABLE = {
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the folder is read-only",
    errno.EACCES: "the folder is read-only (permission denied)",
    errno.EPERM: "the folder is read-only (operation not permitted)",
    errno.ENOTDIR: "a part of the path is a file and not a folder",
    errno.EEXIST: "a file is where the folder should be",
}
ABANDONED_S = 60  # a work folder of this age that no process holds belongs to a killed one
HELD = "held.lock"
EXCHANGE, HERE = 2, -100  # renameat2's RENAME_EXCHANGE, and AT_FDCWD


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
            if left.name.startswith(prefix) and _abandoned(left):
                shutil.rmtree(left)
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    held = FileLock(work / HELD)
    held.acquire()  # freed by the system when this process ends, however it ends
    try:
        yield work
    finally:
        held.release()
        shutil.rmtree(work, ignore_errors=True)


def _abandoned(work: Path) -> bool:
    """Whether nobody holds a work folder; the short time until a new one is held does not count."""
    if time.time() - work.stat().st_mtime <= ABANDONED_S:
        return False
    held = FileLock(work / HELD)
    try:
        held.acquire(timeout=0)
    except Timeout:
        return False
    held.release()
    return True


def put_in_place(built: Path, folder: Path, is_ours: Callable[[str], bool]) -> None:
    """Renames a complete folder to its place, its files on the disk before; an older one takes its name in exchange.

    The exchange is one step on Linux: there is no moment without the folder. Elsewhere the older one is moved away
    first, and back if the second rename fails.

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
    for file in built.rglob("*"):
        if file.is_file():
            to_disk(file)
    if folder.is_dir() and _exchanged(built, folder):
        return
    older = built.with_name(f"{built.name}-replaced")
    if folder.is_dir():
        os.rename(folder, older)
    try:
        os.rename(built, folder)
    except OSError:
        if older.is_dir():
            os.rename(older, folder)
        raise


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the system could exchange two names."""
    try:
        exchange = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return exchange(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE) == 0
