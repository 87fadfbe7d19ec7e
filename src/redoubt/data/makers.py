"""MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100, SVHN and Imagenette, read by torchvision's own data set classes.

Addresses, file names and md5 sums are torchvision's. An archive is checked before it is unpacked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from redoubt.data import compact
from redoubt.data.fetch import Files
from redoubt.data.original import Original, Part, part
from redoubt.data.pictures import square, stack

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10, MNIST


# sha256 of what the gzip'd test files hold; their makers' headers are not in every copy.
FASHION_MNIST = {
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def mnist(files: Files, image_size: int) -> Original:
    """60,000 and 10,000 gray images from the four gzip'd idx files (LeCun et al. 1998)."""
    from torchvision.datasets import MNIST

    return _idx(files, MNIST, {})


def fashion_mnist(files: Files, image_size: int) -> Original:
    """60,000 and 10,000 gray pictures of clothes in MNIST's form (Xiao et al. 2017)."""
    from torchvision.datasets import FashionMNIST

    return _idx(files, FashionMNIST, FASHION_MNIST)


def _idx(files: Files, kind: type[MNIST], inside: dict[str, str]) -> Original:
    """The asked parts from their gzip'd idx files."""
    from torchvision.datasets.mnist import read_image_file, read_label_file
    from torchvision.datasets.utils import extract_archive

    parts = {}
    for name, prefix in (("train", "train"), ("test", "t10k")):
        if name not in files.parts:
            continue
        for filename, md5 in kind.resources:
            if filename.startswith(prefix):
                urls = [base + filename for base in kind.mirrors]
                folder = f"{kind.__name__}/raw"
                path = files.get(filename, urls, md5, folder, inside=inside.get(filename))
                extract_archive(str(path), str(files.work))
        images = read_image_file(str(files.work / f"{prefix}-images-idx3-ubyte"))
        labels = read_label_file(str(files.work / f"{prefix}-labels-idx1-ubyte"))
        parts[name] = part(images.numpy(), labels.numpy())
    return Original(parts)


def cifar10(files: Files, image_size: int) -> Original:
    """50,000 and 10,000 RGB images (Krizhevsky 2009): batches, archive, or the compact mirror."""
    from torchvision.datasets import CIFAR10

    return _cifar(files, CIFAR10)


def cifar100(files: Files, image_size: int) -> Original:
    """50,000 and 10,000 RGB images with the 100 fine labels (Krizhevsky 2009)."""
    from torchvision.datasets import CIFAR100

    return _cifar(files, CIFAR100)


def _cifar(files: Files, kind: type[CIFAR10]) -> Original:
    """Unpacked batches in the mirror, else an archive there, else the compact form, else the network."""
    batches = files.in_mirror(kind.base_folder)
    if batches is not None:
        root = batches.parent
        for filename, md5 in [*kind.train_list, *kind.test_list, [kind.meta["filename"], kind.meta["md5"]]]:
            files.accept(batches / filename, md5, "mirror")
    elif files.in_mirror(kind.filename) is None and (mosaics := compact.find(files)) is not None:
        return compact.read(files, mosaics)
    else:
        root = _unpack(files, kind.filename, kind.url, kind.tgz_md5)
    sets = {name: kind(root, train=name == "train") for name in ("train", "test")}
    return Original({name: part(s.data, s.targets) for name, s in sets.items()})


def svhn(files: Files, image_size: int) -> Original:
    """73,257 and 26,032 cropped house numbers (Netzer et al. 2011), without the `extra` part."""
    from torchvision.datasets import SVHN

    parts = {}
    for name in ("train", "test"):
        url, filename, md5 = SVHN.split_list[name]
        path = files.get(filename, [url], md5)
        data = SVHN(path.parent, split=name)
        parts[name] = part(data.data, data.labels)
    return Original(parts)


def imagenette(files: Files, image_size: int) -> Original:
    """9,469 and 3,925 pictures of ten ImageNet classes (Howard 2019); the maker's `val` part is the test set.

    Read from the smallest edition whose shorter side is at least `image_size`.
    """
    from torchvision.datasets import Imagenette

    edition = "160px" if image_size <= 160 else "320px" if image_size <= 320 else "full"
    url, md5 = Imagenette._ARCHIVES[edition]
    root = _unpack(files, url.rsplit("/", 1)[1], url, md5)
    parts = {}
    for name, theirs in (("train", "train"), ("test", "val")):
        data = Imagenette(root, split=theirs, size=edition, transform=lambda p: square(p, image_size))
        parts[name] = _pictures(data, image_size)
    note = f"{edition} edition, centered square resized to {image_size} px (bilinear, antialiased)"
    return Original(parts, pixels=note)


def _pictures(data, image_size: int) -> Part:
    """Every picture and label of a torchvision data set that decodes one picture at a time."""
    labels = np.empty(len(data), np.int64)

    def load(index):
        image, labels[index] = data[index]
        return image

    return part(stack(load, range(len(data)), len(data), image_size), labels)


def _unpack(files: Files, filename: str, url: str, md5: str) -> Path:
    """The folder that a checked archive was unpacked to."""
    from torchvision.datasets.utils import extract_archive

    extract_archive(str(files.get(filename, [url], md5)), str(files.work))
    return files.work
