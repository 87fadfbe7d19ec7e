"""One process a run: a lock that says who holds it, and that the system frees however its process ends."""

import getpass
import json
import math
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from redoubt.errors import RedoubtError
from redoubt.progress import console, journal
from redoubt.records.files import write_whole

FOLDER = ".redoubt/work"
_CARDS: list[FileLock] = []  # taken by this process: a lock ends when nothing refers to it


@contextmanager
def held(root: Path, what: str, wait: float = math.inf) -> Iterator[bool]:
    """Inside, no other process does the same work in the same project.

    What is said inside is also appended to a log beside the lock: Snakemake empties its own at every attempt.

    Args:
        root: of the project.
        what: the work, a path such as `train/digits/pgd_at/main/seed0`.
        wait: seconds after which another holder is left alone.

    Yields:
        Whether the lock is ours; False only where `wait` ended.

    Raises:
        RedoubtError: the project's folder cannot be written.
    """
    path = root / FOLDER / f"{what}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        ours = _acquired(lock, root, what, wait)
    except OSError as error:
        raise RedoubtError(
            f"cannot write: {error.strerror}", file=path, hint="choose a folder that can be written"
        ) from error
    if not ours:
        yield False
        return
    holder = path.with_suffix(".json")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    said = {"pid": os.getpid(), "host": socket.gethostname(), "since": now, "command": sys.argv[1:]}
    write_whole(holder, json.dumps(said).encode())
    try:
        with journal(path.with_suffix(".log"), f"{now} process {said['pid']} on {said['host']}"):
            yield True
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def of_all(root: Path, what: str) -> AbstractContextManager[bool]:
    """The lock of work that `torchrun` splits over processes: the first takes it for all."""
    return held(root, what) if os.environ.get("RANK", "0") == "0" else nullcontext(True)


def first_free(cards: list[str]) -> str:
    """A card that no other process of this user took on this machine; it is ours until this process ends.

    Where all are taken, because more jobs run than there are cards, they are shared.
    """
    folder = Path(tempfile.gettempdir()) / f"redoubt-{getpass.getuser()}"
    folder.mkdir(exist_ok=True)
    for card in cards:
        lock = FileLock(folder / f"gpu-{card}.lock", is_singleton=True)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            _CARDS.append(lock)
            return card
    return cards[os.getpid() % len(cards)]


def holder(root: Path, what: str) -> str:
    """Who holds a lock, in words; for people, as the holder may just have ended."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((root / FOLDER / f"{what}.json").read_text(encoding="utf-8"))
        return f"process {said['pid']} on {said['host']} since {said['since']}"
    return "another process"


def _acquired(lock: FileLock, root: Path, what: str, wait: float) -> bool:
    with suppress(Timeout):
        lock.acquire(timeout=0)
        return True
    if wait <= 0:
        return False
    console.print(f"redoubt: {what} waits for {holder(root, what)}", markup=False)
    with suppress(Timeout):
        lock.acquire(timeout=-1 if math.isinf(wait) else wait, poll_interval=0.2)
        return True
    return False
