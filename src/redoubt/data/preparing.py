"""`redoubt prepare`: one named data set, read, checked, divided and written as one array file a split."""

import dataclasses
import importlib
import os
from pathlib import Path

from redoubt.data import disk, splits, writing
from redoubt.data.catalogue import ANY_SIZE, Info, describe
from redoubt.data.fetch import Files
from redoubt.data.original import Original
from redoubt.errors import RedoubtError

_READERS = {
    "digits": ("redoubt.data.digits", "read"),
    "mnist": ("redoubt.data.makers", "mnist"),
    "fashion_mnist": ("redoubt.data.makers", "fashion_mnist"),
    "cifar10": ("redoubt.data.makers", "cifar10"),
    "cifar100": ("redoubt.data.makers", "cifar100"),
    "svhn": ("redoubt.data.makers", "svhn"),
    "tiny_imagenet": ("redoubt.data.tiny_imagenet", "read"),
    "imagenette": ("redoubt.data.makers", "imagenette"),
    "sdp_mnist": ("redoubt.data.sdp", "mnist"),
    "sdp_cifar10": ("redoubt.data.sdp", "cifar10"),
}


def prepare(
    name: str,
    folder: str | os.PathLike,
    *,
    mirror: str | os.PathLike | None = None,
    validation: int | None = None,
    test: int | None = None,
    train: int | None = None,
    seed: int = 0,
    image_size: int | None = None,
) -> dict:
    """Prepares a data set; the folder appears complete or stays as it was. Equal arguments, equal bytes.

    Args:
        name: one of `names()`.
        folder: where the prepared data set goes; an older one there is replaced. Downloaded files are kept
            in `downloads` beside it.
        mirror: a folder with the maker's files (in it, in a folder named after the data set, or as
            torchvision lays them out) or with the compact form (`compact.py`), looked at before the network.
            Not looked at for digits, which ship with scikit-learn.
        validation: images held out of the maker's training set for model selection; None: `Info.validation`.
        test: test images, stratified by class; None: all the maker's (digits: `Info.test`).
        train: training images, stratified by class; None: all that remain. With 0 here and for validation, a maker's
            files of training images are not needed where they are files of their own.
        seed: of the division.
        image_size: for Imagenette, to what size its pictures are resized; None: `Info.image_size`.

    Returns:
        The record, which is also in `folder/record.json`.

    Raises:
        RedoubtError: unknown name, impossible size, missing mirror, no good copy of a file to be had, damaged
            file, unwritable or foreign output folder. Nothing is changed then.
    """
    info = describe(name)
    info = dataclasses.replace(info, image_size=_size(info, image_size))
    folder = Path(folder).expanduser().resolve()
    request = {"seed": seed, "train": train, "validation": validation, "test": test}
    with disk.clear_errors(folder), disk.work_folder(folder) as work:
        downloads = folder.parent / "downloads" / name
        command = f"redoubt prepare {folder.name}"  # a prepared folder is named after its study
        parts = ("test",) if train == 0 and validation == 0 else ("train", "test")
        files = Files(name, mirror if info.download else None, downloads, work, command, parts)
        module, reader = _READERS[name]
        original = getattr(importlib.import_module(module), reader)(files, info.image_size)
        info = dataclasses.replace(info, class_names=original.class_names or info.class_names)
        _check(info, original)
        labels = {part: data.labels for part, data in original.parts.items()}
        division = splits.divide(labels, info, validation=validation, test=test, train=train, seed=seed)
        built = work / "prepared"
        built.mkdir()
        record = writing.write(built, info, original, division, request, files.read)
        disk.put_in_place(built, folder, writing.is_ours)
    return record


def _size(info: Info, asked: int | None) -> int:
    """The image size to prepare."""
    if asked is None or asked == info.image_size:
        return info.image_size
    if info.name not in ANY_SIZE or asked < 1:
        allowed = "a positive number of pixels" if info.name in ANY_SIZE else str(info.image_size)
        raise RedoubtError(
            f"data set {info.name} has no images of this size", key="image_size", value=asked, allowed=allowed
        )
    return asked


def _check(info: Info, original: Original) -> None:
    """RedoubtError unless every part has uint8 images of the announced shape, labeled with every class."""
    shape = (info.in_channels, info.image_size, info.image_size)
    for name, part in original.parts.items():
        n, found = len(part.images), sorted(set(part.labels.tolist()))
        fits = part.images.shape[1:] == shape and part.images.dtype == "uint8"
        if not fits or found != list(range(info.num_classes)):
            raise RedoubtError(
                f"the {name} part of {info.name} is not what this data set holds",
                value=f"{part.images.dtype} {part.images.shape}, labels {found[:3]} to {found[-3:]}",
                allowed=f"uint8 (N, {', '.join(map(str, shape))}), labels 0 to {info.num_classes - 1}",
            )
        if len(part.labels) != n or len(info.class_names) != info.num_classes:
            raise RedoubtError(
                f"the {name} part of {info.name} has {n} images, {len(part.labels)} labels and "
                f"{len(info.class_names)} class names"
            )
