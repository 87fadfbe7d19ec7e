"""What travels back from a borrowed machine: one gzipped archive, cut into parts of a size, with hashes.

`FOLDER/STUDY.pack.json` names the parts and every file inside with its sha256; `unpack` writes nothing unless
all agree. Equal files give equal parts.
"""

import gzip
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from redoubt.config.load import study_file
from redoubt.errors import RedoubtError
from redoubt.records import challenges
from redoubt.records.files import read_record, sha256, write_record, write_whole
from redoubt.workflow.replacing import RESUME, check_arrival

PART = 60 * 2**20  # bytes; 64 MiB is what one trip of the machines that are lent to this project takes
# A parcel may unpack to so many times its size, and a little more: records of zeros pack to a twentieth.
RATIO, SLACK = 200, 2**20
RECORDS = ("results/{study}/**/*.json", "results/{study}/**/*.partial", "checkpoints/{study}/**/record.json")
WEIGHTS = ("checkpoints/{study}/**/*.safetensors", "checkpoints/{study}/**/resume.pt")
CHALLENGES = "results/{study}/*/*/challenges/*.json"


def left(root: Path, study: str, weights: bool = False) -> list[Path]:
    """The files that a study has left so far and that travel.

    Raises:
        RedoubtError: it is no study's name, or a challenge or a file that it rests on was changed or is missing.
    """
    study_file(root, study)
    patterns = RECORDS + (WEIGHTS if weights else ())
    found = {p for pattern in patterns for p in root.glob(pattern.format(study=study)) if p.is_file()}
    found = {p for p in found if not p.name.startswith(".")}
    for path in found.intersection(root.glob(CHALLENGES.format(study=study))):
        found.update(path.with_name(name) for name in challenges.read(path)["files"])
    return sorted(found)


def _contents(root: Path, study: str, weights: bool) -> dict[str, bytes]:
    """The bytes of these files; of one that another process has finished meanwhile, those of what it left instead."""
    held: dict[Path, bytes] = {}
    while new := [p for p in left(root, study, weights) if p not in held]:
        for path in new:
            try:
                held[path] = path.read_bytes()
            except FileNotFoundError:
                if path.suffix != ".partial" and path.name != RESUME:
                    raise RedoubtError("this file was removed while it was packed", file=path) from None
    return {p.relative_to(root).as_posix(): held[p] for p in sorted(held)}


def pack(root: Path, study: str, out: Path, *, weights: bool = False, part: int = PART) -> Path:
    """Writes the parcel of a study, its list last; an older one of the same study there is replaced.

    Args:
        weights: also checkpoints and the files that unfinished trainings go on from.
        part: largest size of a part in bytes.

    Returns:
        The list of the parcel.

    Raises:
        RedoubtError: the study has left nothing yet, a challenge is not whole, a record was removed meanwhile, or the
            folder cannot be written.
    """
    files = _contents(root, study, weights)
    listing = out / f"{study}.pack.json"
    if not files:
        raise RedoubtError(
            "this study has left nothing to pack yet", value=study, hint=f"redoubt record {study}"
        )
    archive = _archive(files)
    earlier = _parts(listing)
    pieces = [archive[i : i + part] for i in range(0, len(archive), part)]
    # Named by their content: the earlier parcel is whole until the list is another, also where the disk is full.
    names = [f"{study}.pack.{i:03d}-{_sha256(piece)[:8]}" for i, piece in enumerate(pieces)]
    try:
        for name, piece in zip(names, pieces, strict=True):
            if not (out / name).is_file() or sha256(out / name) != _sha256(piece):
                write_whole(out / name, piece)
        content = {
            "schema": 1,
            "study": study,
            "parts": {name: _sha256(piece) for name, piece in zip(names, pieces, strict=True)},
            "files": {name: _sha256(held) for name, held in files.items()},
            "bytes": sum(map(len, files.values())),
        }
        write_record(listing, content)
    except RedoubtError:
        _drop(out, set(names) - earlier)
        raise
    _drop(out, earlier - set(names))
    return listing


def _parts(listing: Path) -> set[str]:
    """The parts of the parcel that lies there; of one that cannot be read, none."""
    try:
        return {PurePosixPath(name).name for name in read_record(listing, "")["parts"]}
    except (RedoubtError, TypeError):
        return set()


def _drop(out: Path, names: set[str]) -> None:
    for name in names:
        with suppress(OSError):
            (out / name).unlink()


def unpack(listing: Path, root: Path) -> list[str]:
    """Puts the files of a parcel where they belong under `root`; all of them or none.

    Returns:
        Their paths.

    Raises:
        RedoubtError: a part is missing or changed, a file is not the listed one, is no record or lies outside of the
            study; a record or an unfinished training here is newer than the parcel's; a file cannot be put in its
            place.
    """
    again = "bring the parcel here once more"
    said = read_record(listing, "redoubt pack STUDY")
    _check_listing(said, listing)
    with _beside(root) as work:
        packed = work / "parcel"
        with open(packed, "wb") as whole:
            for name, wanted in said["parts"].items():
                part = listing.parent / PurePosixPath(name).name
                if not part.is_file():
                    raise RedoubtError("a part of this parcel is missing", file=part, hint=again)
                piece = part.read_bytes()
                if _sha256(piece) != wanted:
                    raise RedoubtError(
                        "this part of a parcel was changed or cut short", file=part, key="sha256", hint=again
                    )
                whole.write(piece)
        files = _extract(packed, work / "files", said, listing)
        for name in files:
            check_arrival(work / "files" / name, name, root, listing)
        _put(work, files, root)
    return sorted(files)


def _check_listing(said: dict[str, Any], listing: Path) -> None:
    """RedoubtError unless a list is of names and hashes."""
    for key in ("parts", "files"):
        if not isinstance(said[key], dict) or not all(isinstance(v, str) for v in said[key].values()):
            raise RedoubtError("this is not the list of a parcel", file=listing, key=key)
    if not isinstance(said["study"], str):
        raise RedoubtError("this is not the list of a parcel", file=listing, key="study")


@contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """A folder on the disk of the project that is gone afterwards; a clear error where it cannot be written."""
    work, new = None, not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".unpack-", dir=root))
        yield work
    except OSError as error:
        raise RedoubtError(
            f"cannot unpack: {error.strerror or error}; nothing was changed", file=error.filename or root,
            hint="free some space, or name another folder with --root",
        ) from None  # fmt: skip
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
        if new:
            with suppress(OSError):  # it holds what was unpacked
                root.rmdir()


def _extract(packed: Path, to: Path, said: dict[str, Any], listing: Path) -> list[str]:
    """The listed files of an archive, each written under `to` while it is read; refuses what unpacks to too much."""
    most = RATIO * packed.stat().st_size + SLACK
    found: list[str] = []
    try:
        with tarfile.open(packed, mode="r:gz") as tar:
            for entry in tar:
                if not entry.isfile():
                    continue
                name, most = entry.name, most - entry.size
                if most < 0:
                    raise RedoubtError(
                        f"this parcel unpacks to more than {RATIO} times its size: it is not one of ours",
                        file=listing,
                    )
                if name not in said["files"] or name in found or not _belongs(name, said["study"]):
                    raise RedoubtError(
                        "this parcel holds a file that it does not list", file=listing, value=name
                    )
                target, held = to / name, tar.extractfile(entry)
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as file:
                    shutil.copyfileobj(held or io.BytesIO(), file)
                if sha256(target) != said["files"][name]:
                    raise RedoubtError(
                        "this parcel holds a file that it does not list", file=listing, value=name
                    )
                found.append(name)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RedoubtError(f"this parcel cannot be opened: {error}", file=listing) from None
    if missing := sorted(set(said["files"]) - set(found)):
        raise RedoubtError("this parcel lacks a file that it lists", file=listing, value=missing[0])
    return found


def _put(work: Path, files: list[str], root: Path) -> None:
    """Moves the files to their places; where one cannot be moved, those before it are moved back."""
    undone: list[tuple[Path, Path | None]] = []
    try:
        for i, name in enumerate(files):
            target, earlier = root / name, work / f"earlier-{i}"
            if target.is_dir():
                raise RedoubtError("a folder lies where this file belongs; nothing was changed", file=target)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                os.replace(target, earlier)
                undone.append((target, earlier))
            else:
                undone.append((target, None))
            os.replace(work / "files" / name, target)
    except (OSError, RedoubtError):
        for target, held in reversed(undone):
            if held is None:
                target.unlink(missing_ok=True)
            else:
                os.replace(held, target)
        raise


def _archive(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=held, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def _belongs(name: str, study: str) -> bool:
    """Whether a path lies under a study's results or checkpoints, without a way out."""
    parts = PurePosixPath(name).parts
    return parts[:2] in (("results", study), ("checkpoints", study)) and ".." not in parts


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
