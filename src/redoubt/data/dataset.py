"""A prepared data set, opened: its record, its splits, and the tensors that training keeps on the device."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from redoubt.data import splits
from redoubt.data.catalogue import Info, describe
from redoubt.data.writing import FIELDS, RECORD, SCHEMA, content_hash, files_of, record_hash
from redoubt.errors import RedoubtError, nearest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Split:
    """The images of one split.

    Attributes:
        name: train, validation or test.
        images: (n, C, H, W) uint8, a read-only view of the file.
        labels: (n,) int64.
        indices: (n,) int64, each image's place in the maker's training or test set (`part`).
        part: the maker's part that `indices` count in: train, test, or all.
        sha256: of the indices.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    part: str
    sha256: str

    def __len__(self) -> int:
        return len(self.labels)

    def tensors(self, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
        """(n, C, H, W) uint8 images and (n,) int64 labels on a device; copies, free to be written to."""
        import torch

        images, labels = (torch.from_numpy(a.copy()).to(device) for a in (self.images, self.labels))
        return images, labels


@dataclass(frozen=True)
class Dataset:
    """A prepared data set.

    Attributes:
        folder: where it is.
        info: what it is, with the image size and class names as prepared.
        record: where it came from (`writing.py`).
        sha256: one hash of all images, labels and splits; equal for equal content.
        copy: what a table must say about this copy, or None where it is the maker's complete data set.
    """

    folder: Path
    info: Info
    record: dict

    @property
    def sha256(self) -> str:
        return self.record["sha256"]

    @property
    def copy(self) -> str | None:
        return self.record["copy"]

    def split(self, name: str) -> Split:
        """One split, read from its files when asked for; RedoubtError where they are not what is recorded."""
        if name not in splits.NAMES:
            raise RedoubtError(
                "unknown split", value=name, allowed=splits.NAMES, nearest=nearest(name, splits.NAMES)
            )
        try:
            summary = self.record["splits"][name]
            n, part, hashed = int(summary["n"]), str(summary["from"]), str(summary["indices_sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise _broken(self.folder / RECORD, "is not the record of a prepared data set") from error
        images, labels, indices = (self._array(filename) for filename in files_of(name))
        size = (self.info.in_channels, self.info.image_size, self.info.image_size)
        if images.shape != (n, *size) or len(labels) != n or splits.digest(indices) != hashed:
            raise _broken(self.folder / files_of(name)[0], "does not hold the recorded split")
        return Split(name, images, labels, indices, part, hashed)

    def _array(self, filename: str) -> np.ndarray:
        path = self.folder / filename
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _broken(path, f"cannot be read ({error})") from error


def load(folder: str | os.PathLike, verify: bool = True) -> Dataset:
    """Opens a prepared data set.

    Args:
        folder: what `prepare` wrote.
        verify: hash every file and compare with the record (0.1 s for CIFAR-10's 184 MB); otherwise only
            sizes and the indices are compared.

    Raises:
        RedoubtError: a file is missing, altered, or of another version; it names the file and the command
            that makes it.
    """
    folder = Path(folder).expanduser()
    record = _record(folder / RECORD)
    try:
        return _opened(folder, record, verify)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _broken(folder / RECORD, f"is not the record of a prepared data set ({error!r})") from error


def _opened(folder: Path, record: dict, verify: bool) -> Dataset:
    for filename, written in record["files"].items():
        path = folder / filename
        if not path.is_file():
            raise _broken(path, "is missing")
        if path.stat().st_size != written["bytes"]:
            raise _broken(path, "was cut short or altered: it has another size than recorded")
        if verify:
            with open(path, "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != written["sha256"]:
                raise _broken(path, "was altered: its sha256 is not the recorded one")
    known = {**record["info"], "class_names": tuple(record["info"]["class_names"])}
    return Dataset(folder, dataclasses.replace(describe(record["name"]), **known), record)


def _record(path: Path) -> dict:
    """The record of a prepared folder, whole and untouched."""
    if not path.is_file():
        raise _broken(path, "is missing: this data set is not prepared")
    try:
        record = json.loads(path.read_text())
        if record["schema"] != SCHEMA:
            raise _broken(path, f"is of another version ({record['schema']}, not {SCHEMA})")
        untouched = content_hash(record) == record["sha256"] and set(record) <= FIELDS
        # In earlier versions, what says where the images were read from was not hashed.
        if "record_sha256" in record:
            untouched = untouched and record_hash(record) == record["record_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(path, "is not the record of a prepared data set") from error
    if not untouched:
        raise _broken(path, "was altered: it does not match its own hash")
    return record


def _broken(path: Path, what: str) -> RedoubtError:
    """The error for a prepared file; a prepared folder is named after the study it is for."""
    study = path.parent.resolve().name
    return RedoubtError(f"{path.name} {what}", file=path, hint=f"redoubt prepare {study}")
