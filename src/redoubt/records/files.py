"""Whole files and their hashes: written beside the target and renamed, read back only if no bit is another."""

import glob
import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from redoubt.errors import RedoubtError

END = b"\n}\n"  # of a record
LARGE = 2**20  # bytes; what is left of a smaller file does no harm
ABANDONED_S = 3600  # no write takes so long


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(content: Any) -> str:
    """Hash of plain data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Writes a record whole or not at all.

    Raises:
        RedoubtError: the folder cannot be written or the disk is full; what lay there before is untouched.
    """
    write_whole(path, _text(content), lasting=True)


def _text(content: Any) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Writes a record that carries the hash of its own content, as `write_json` does."""
    write_whole(path, sealed(content), lasting=True)


def sealed(content: dict[str, Any]) -> bytes:
    """The bytes of a record: its JSON, not empty, with the hash of the rest in `sha256`, the last key."""
    rest = _text({k: v for k, v in content.items() if k != "sha256"})
    return rest.removesuffix(END) + _seal(rest)


def _seal(rest: bytes) -> bytes:
    return b',\n "sha256": "%s"%s' % (hashlib.sha256(rest).hexdigest().encode(), END)


def is_whole(sealed: bytes) -> bool:
    """Whether the bytes end with the hash of what stands before it, as `sealed` writes it."""
    head, mark, _ = sealed.rpartition(b',\n "sha256": "')
    return bool(mark) and sealed == head + _seal(head + END)


def read_record(path: Path, made_by: str) -> dict[str, Any]:
    """What `write_record` wrote; RedoubtError, with the command that makes it, where one bit of it is another."""
    content = read_json(path, made_by)
    if not isinstance(content, dict) or not is_whole(path.read_bytes()):
        raise RedoubtError(
            "this record was changed since it was written: it does not match its own hash",
            file=path, key="sha256", hint=made_by,
        )  # fmt: skip
    return content


def write_whole(path: Path, content: bytes, lasting: bool = False) -> None:
    """Writes bytes beside the target and renames, so that a reader never sees half a file.

    Several processes may write one target: each has a name of its own beside it, and the last rename stands.

    Args:
        lasting: the bytes are on the disk before the name is theirs, so that a loss of power leaves the old file or
            the new one; 8 ms here, for what takes long to make.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if lasting or len(content) > LARGE:
            _sweep(path)
        beside.write_bytes(content)
        if lasting:
            to_disk(beside)
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):  # what matters is why it could not be written
            beside.unlink(missing_ok=True)
        raise RedoubtError(
            f"cannot write: {error.strerror}",
            file=path,
            hint="free some space or choose a folder that can be written",
        ) from error


def _sweep(path: Path) -> None:
    """Removes what killed writers of a file left beside it long ago."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                left.unlink()


def to_disk(path: Path) -> None:
    """Returns when the bytes of a file are on the disk."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


class Lacking(RedoubtError, KeyError):
    """A field that a record does not have; for code that is content with that, a key like any other."""

    __str__ = Exception.__str__  # KeyError's shows one line, quoted


class Fields(dict):
    """An object of a JSON file that says what it lacks, whoever asks for it."""

    path: Path
    made_by: str

    def __missing__(self, key: str) -> Any:
        raise Lacking("this record lacks a field", file=self.path, key=key, hint=self.made_by)


def read_json(path: Path, made_by: str) -> Any:
    """A record; RedoubtError, with the command that makes it, where it is missing, cut short or cannot be read.

    Its objects are `Fields`: a field that is not there is a RedoubtError too.
    """

    def told(pairs: dict[str, Any]) -> Fields:
        fields = Fields(pairs)
        fields.path, fields.made_by = path, made_by
        return fields

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_hook=told)
    except FileNotFoundError:
        raise RedoubtError("there is no such record", file=path, hint=made_by) from None
    except OSError as error:
        raise RedoubtError(f"this record cannot be read: {error.strerror}", file=path, hint=made_by) from None
    except (ValueError, RecursionError) as error:
        raise RedoubtError(f"this is not a whole record: {error}", file=path, hint=made_by) from None
