"""The embedded default: 1,797 real handwritten digits of 8x8 pixels that ship inside scikit-learn.

They are the test half of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998); each
pixel counts the ink in a 4x4 cell, 0 … 16.
"""

import hashlib

import numpy as np

from redoubt.data.fetch import Files
from redoubt.data.original import Original, part
from redoubt.errors import RedoubtError

SHA256 = "65e5b4619795efb40c1082f4c350c049e4ad552200d369b6ae99e21eef5e72c5"


def read(files: Files, image_size: int) -> Original:
    """All digits as one part; a count v becomes the byte round(v * 255 / 16), halves to the even byte.

    Raises:
        RedoubtError: scikit-learn holds other digits than the ones this project was measured on.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    counts, labels = bunch.images.astype(np.uint8), bunch.target.astype(np.int64)
    held = counts.tobytes() + labels.astype("<i8").tobytes()
    found = hashlib.sha256(held).hexdigest()
    if found != SHA256:
        raise RedoubtError(
            "the digits inside the installed scikit-learn are not the known ones",
            value=found,
            allowed=SHA256,
            hint="install the version of scikit-learn in requirements.lock",
        )
    files.read.append(
        {"file": "sklearn.datasets.load_digits", "bytes": len(held), "sha256": found, "from": "embedded"}
    )
    images = np.rint(counts * (255 / 16)).astype(np.uint8)
    return Original({"all": part(images, labels)}, pixels="ink count v (0 to 16) stored as round(255 v / 16)")
