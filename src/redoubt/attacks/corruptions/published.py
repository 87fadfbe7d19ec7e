"""Reads the published CIFAR-10-C (and CIFAR-100-C) files: one .npy a family, labels.npy beside them.

A family's file holds (50000, 32, 32, 3) bytes: the 10,000 test images at severity 1, then at 2, and so on.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from redoubt.errors import RedoubtError

SEVERITIES = 5


def has(folder: Path, family: str) -> bool:
    """Whether the published file of a family is there."""
    return (folder / f"{family}.npy").is_file()


def read(
    folder: Path, family: str, severity: int, y: np.ndarray, shape: tuple, left_out: Sequence[int] = ()
) -> tuple[np.ndarray, str]:
    """The first len(y) published images of one family and severity.

    Args:
        severity: 1 to 5.
        y: (N,) labels of the first N test images; they must be those of labels.npy.
        shape: (C, H, W) that the model expects.
        left_out: places in the original test set that are skipped.

    Returns:
        ((N, H, W, C) float32 in [0, 1], the sha256 of the family's file).

    Raises:
        RedoubtError: a file that is missing, damaged or of another shape, or images in another order.
    """
    path = folder / f"{family}.npy"
    pixels, labels = _load(path), _load(folder / "labels.npy")
    count, left = divmod(len(pixels), SEVERITIES)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or left or len(labels) not in (count, len(pixels)):
        raise RedoubtError(
            "not a published corruption file", file=path, value=f"{pixels.dtype} {pixels.shape}",
            allowed="bytes (5 N, H, W, C) beside N or 5 N labels",
        )  # fmt: skip
    if pixels.shape[1:] != (shape[1], shape[2], shape[0]):
        raise RedoubtError(
            "corruptions of other images", file=path, value=pixels.shape[1:], allowed=str(tuple(shape))
        )
    if not 1 <= severity <= SEVERITIES:
        raise RedoubtError("unknown severity", value=severity, allowed=range(1, SEVERITIES + 1))
    places = np.delete(np.arange(count), list(left_out))[: len(y)]
    if len(y) > len(places) or not np.array_equal(labels[places], y):
        raise RedoubtError(
            "the images are not the first of the test set in its original order", file=folder / "labels.npy",
            hint="use the whole test split without shuffling, or leave `folder` out to generate the corruption",
        )  # fmt: skip
    chosen = pixels[(severity - 1) * count + places]
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return chosen.astype(np.float32) / 255, sha256


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RedoubtError(f"cannot be read: {error}", file=path) from error
