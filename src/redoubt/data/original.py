"""A data set as its maker published it, in one shape whatever the file format."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Part:
    """Images of one of the maker's parts.

    Attributes:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
        indices: (N,) int64, each image's place in the maker's order.
    """

    images: np.ndarray
    labels: np.ndarray
    indices: np.ndarray


@dataclass(frozen=True)
class Original:
    """What a reader returns.

    Attributes:
        parts: {"train", "test"}, or {"all"} where the maker publishes no test set.
        pixels: how stored bytes follow from the maker's pixels.
        copy: what is different from the maker's complete data set, or None.
        class_names: one a label, or () where the catalogue knows them.
    """

    parts: dict[str, Part]
    pixels: str = "the maker's bytes"
    copy: str | None = None
    class_names: tuple[str, ...] = ()


def part(images, labels, indices=None) -> Part:
    """A Part from (N, H, W), (N, C, H, W) or, as most files have it, (N, H, W, C) arrays."""
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[-1] == 3:
        images = images.transpose(0, 3, 1, 2)
    if indices is None:
        indices = np.arange(len(images))
    return Part(images, np.asarray(labels, np.int64), np.asarray(indices, np.int64))
