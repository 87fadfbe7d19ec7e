"""Pictures of any size and mode as square RGB arrays."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def square(picture, size: int) -> np.ndarray:
    """(3, size, size) uint8: the centered square of a PIL picture, resized with bilinear antialiasing.

    A square picture that has the size already keeps its decoded pixels.
    """
    from PIL import Image

    picture = picture.convert("RGB")
    width, height = picture.size
    side = min(width, height)
    if (width, height) != (size, size):
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        picture = picture.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(picture).transpose(2, 0, 1)


def stack(load: Callable[[object], np.ndarray], items: Iterable, count: int, size: int) -> np.ndarray:
    """(count, 3, size, size) uint8 of `load(item)` each; PIL decodes outside Python's lock, so in threads."""
    images = np.empty((count, 3, size, size), np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row, image in zip(images, pool.map(load, items), strict=True):
            row[:] = image
    return images
