"""Worked example of a new data set: 600 gray 8x8 images with horizontal or vertical stripes, in one file."""

import numpy as np

from redoubt.data.catalogue import Info
from redoubt.data.fetch import Files
from redoubt.data.original import Original, part

INFO = Info("stripes", 2, 1, 8, True, "none", ("horizontal", "vertical"), validation=50, test=100)
URL = "https://example.org/stripes.npy"
MD5 = "da9e2a1b44b9060a74eba1209fcaf347"


def read(files: Files, image_size: int) -> Original:
    """(600, 8) uint8, the ink of each stripe; even images lie, odd ones stand. The maker has no test set."""
    ink = np.load(files.get("stripes.npy", [URL], MD5))
    labels = np.arange(len(ink)) % 2
    lying = ink[:, :, None].repeat(8, axis=2)
    images = np.where(labels[:, None, None] == 1, lying.transpose(0, 2, 1), lying)
    return Original({"all": part(images, labels)}, pixels="the ink of a stripe, repeated along it")
