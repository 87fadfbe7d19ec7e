"""What travels back from a borrowed machine: one gzipped archive, cut into parts of a size, with hashes.

`FOLDER/STUDY.pack.json` names the parts and every file inside with its sha256; `unpack` writes nothing unless
all agree. Equal files give equal parts.
"""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path, PurePosixPath

from redoubt.config.load import study_file
from redoubt.errors import RedoubtError
from redoubt.records.files import read_record, write_record, write_whole

PART = 60 * 2**20  # bytes; 64 MiB is what one trip of the machines that are lent to this project takes
RECORDS = ("results/{study}/**/*.json", "results/{study}/**/*.partial", "checkpoints/{study}/**/record.json")
WEIGHTS = ("checkpoints/{study}/**/*.safetensors", "checkpoints/{study}/**/resume.pt")


def left(root: Path, study: str, weights: bool = False) -> list[Path]:
    """The files that a study has left so far and that travel; RedoubtError for what is no study's name."""
    study_file(root, study)
    patterns = RECORDS + (WEIGHTS if weights else ())
    found = {p for pattern in patterns for p in root.glob(pattern.format(study=study)) if p.is_file()}
    return sorted(p for p in found if not p.name.startswith("."))


def pack(root: Path, study: str, out: Path, *, weights: bool = False, part: int = PART) -> Path:
    """Writes the parcel of a study, its list last; an older one of the same study there is replaced.

    Args:
        weights: also checkpoints and the files that unfinished trainings go on from.
        part: largest size of a part in bytes.

    Returns:
        The list of the parcel.

    Raises:
        RedoubtError: the study has left nothing yet, or the folder cannot be written.
    """
    files = {p.relative_to(root).as_posix(): p.read_bytes() for p in left(root, study, weights)}
    listing = out / f"{study}.pack.json"
    if not files:
        raise RedoubtError(
            "this study has left nothing to pack yet", value=study, hint=f"redoubt record {study}"
        )
    archive = _archive(files)
    pieces = [archive[i : i + part] for i in range(0, len(archive), part)]
    listing.unlink(missing_ok=True)
    for old in out.glob(f"{study}.pack.[0-9]*"):
        old.unlink()
    names = [f"{study}.pack.{i:03d}" for i in range(len(pieces))]
    for name, piece in zip(names, pieces, strict=True):
        write_whole(out / name, piece)
    content = {
        "schema": 1,
        "study": study,
        "parts": {name: _sha256(piece) for name, piece in zip(names, pieces, strict=True)},
        "files": {name: _sha256(held) for name, held in files.items()},
    }
    write_record(listing, content)
    return listing


def unpack(listing: Path, root: Path) -> list[str]:
    """Puts the files of a parcel where they belong under `root`; all of them or, where one hash differs, none.

    Returns:
        Their paths.

    Raises:
        RedoubtError: a part is missing or changed, a file is not the listed one, or lies outside of the study.
    """
    again = "bring the parcel here once more"
    said = read_record(listing, "redoubt pack STUDY")
    pieces = []
    for name, wanted in said["parts"].items():
        part = listing.parent / PurePosixPath(name).name
        if not part.is_file():
            raise RedoubtError("a part of this parcel is missing", file=part, hint=again)
        pieces.append(part.read_bytes())
        if _sha256(pieces[-1]) != wanted:
            raise RedoubtError(
                "this part of a parcel was changed or cut short", file=part, key="sha256", hint=again
            )
    files = _files(b"".join(pieces), listing)
    for name, held in files.items():
        if _sha256(held) != said["files"].get(name) or not _belongs(name, said["study"]):
            raise RedoubtError("this parcel holds a file that it does not list", file=listing, value=name)
    if missing := sorted(set(said["files"]) - set(files)):
        raise RedoubtError("this parcel lacks a file that it lists", file=listing, value=missing[0])
    for name, held in files.items():
        write_whole(root / name, held)
    return sorted(files)


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


def _files(archive: bytes, listing: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            return {e.name: held.read() for e in tar if e.isfile() and (held := tar.extractfile(e))}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RedoubtError(f"this parcel cannot be opened: {error}", file=listing) from None


def _belongs(name: str, study: str) -> bool:
    """Whether a path lies under a study's results or checkpoints, without a way out."""
    parts = PurePosixPath(name).parts
    return parts[:2] in (("results", study), ("checkpoints", study)) and ".." not in parts


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
