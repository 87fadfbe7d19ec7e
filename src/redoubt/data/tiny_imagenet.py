"""Tiny-ImageNet-200 (Stanford CS231n): 200 classes, 100,000 training and 10,000 validation images of 64x64.

The maker's test images have no labels, so its validation part is the test set here, as in the papers.
"""

import io
import zipfile

from redoubt.data.fetch import Files
from redoubt.data.original import Original, part
from redoubt.data.pictures import square, stack

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
FILENAME = "tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
ROOT = "tiny-imagenet-200/"


def read(files: Files, image_size: int) -> Original:
    """Decodes the pictures inside the zip file, without unpacking it (110,000 small files).

    Labels follow the sorted WordNet ids; training images are ordered by class, then by number.
    """
    with zipfile.ZipFile(files.get(FILENAME, [URL], MD5)) as archive:
        ids = sorted(archive.read(ROOT + "wnids.txt").decode().split())
        label = {wnid: i for i, wnid in enumerate(ids)}
        train = sorted(
            (n for n in archive.namelist() if n.startswith(f"{ROOT}train/") and n.endswith(".JPEG")),
            key=_order,
        )
        rows = archive.read(ROOT + "val/val_annotations.txt").decode().splitlines()
        held = dict(row.split("\t")[:2] for row in rows)
        words = archive.read(ROOT + "words.txt").decode().splitlines()
        meaning = dict(row.split("\t", 1) for row in words)

        def load(name):
            from PIL import Image

            return square(Image.open(io.BytesIO(archive.read(name))), image_size)

        test = [f"{ROOT}val/images/{name}" for name in held]
        parts = {
            "train": part(
                stack(load, train, len(train), image_size), [label[name.split("/")[2]] for name in train]
            ),
            "test": part(stack(load, test, len(test), image_size), [label[wnid] for wnid in held.values()]),
        }
    return Original(parts, class_names=tuple(meaning[wnid].split(",")[0].strip() for wnid in ids))


def _order(name: str) -> tuple[str, int]:
    """Class and number of `…/train/n01443537/images/n01443537_12.JPEG`."""
    wnid, number = name.rsplit("/", 1)[1].removesuffix(".JPEG").split("_")
    return wnid, int(number)
