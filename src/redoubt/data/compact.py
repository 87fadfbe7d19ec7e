"""The compact mirror form of a data set of equally sized RGB images: lossless WebP mosaics and their labels.

    train_0.webp …, test_0.webp   mosaics of up to 10,000 images, 100 a row, row by row, in the maker's order
    labels.npz                    train_y, test_y; train_missing, test_missing: indices of images it lacks
    SHA256SUMS                    of every other file
    decoded.json                  train_x, test_x: sha256 of the decoded (N, H, W, 3) uint8 arrays

Missing images have all-zero pixels there; they are left out, and the record says so.
"""

import hashlib
import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from redoubt.data.catalogue import describe
from redoubt.data.fetch import Files
from redoubt.data.original import Original, part
from redoubt.errors import RedoubtError

ROW = 100  # images side by side in a mosaic
# Copies that were compared with the maker's files: sha256 of the decoded images and of the labels (int64), train and
# test each. Of any other mirror, only its own files say what it holds.
KNOWN = {
    (
        "1f979a7ba7e4d9e1170ee2abcf76d8e4edff5ce295daa36f0d3a6b995a0c7466",
        "f87a94efc34585efafa20beb70223558ad6f1fddad143dd20659b29ac6498a73",
        "f5cfe00b0f00968c0cc5ff3b1d2de51b10e33efa277c2986f4e0fa63e58c9f4f",
        "cbb7365de8ed11f05cc4c3a1e7f78144127c5e851efd83762fb18202461230bb",
    )
}
SUMS = "SHA256SUMS"


def find(files: Files) -> Path | None:
    """The mirror's folder that holds this data set in compact form, or None.

    Only a folder named after the data set counts: the form itself does not say which data set it holds.
    """
    if files.mirror is None:
        return None
    for folder in (files.mirror / files.name, files.mirror):
        if folder.resolve().name == files.name and (folder / SUMS).is_file():
            return folder
    return None


def read(files: Files, folder: Path) -> Original:
    """All images that the mirror has; files are checked against SHA256SUMS, arrays against decoded.json.

    Five training mosaics of CIFAR-10 (85 MB) decode in 1.5 s on 2 cores.

    Raises:
        RedoubtError: a file is missing, damaged, or does not hold what decoded.json and labels.npz say.
    """
    _check_sums(files, folder)
    size = describe(files.name).image_size
    decoded, labels = _told(files, folder)
    parts, missing, total = {}, {}, 0
    for name in ("train", "test"):
        images, y = _decode(folder, name, size), labels[f"{name}_y"]
        if hashlib.sha256(images.data).hexdigest() != decoded[f"{name}_x"] or len(images) != len(y):
            raise _damaged(
                files, folder / "decoded.json", f"the decoded {name} images are not the ones it names"
            )
        kept = np.setdiff1d(np.arange(len(y)), labels[f"{name}_missing"])
        if not images[kept].any(axis=(1, 2, 3)).all():
            raise _damaged(files, folder / "labels.npz", f"an empty {name} image is not listed as missing")
        parts[name] = part(images[kept], y[kept], kept)
        missing[name], total = len(y) - len(kept), total + len(y)
    of = (*(decoded[f"{k}_x"] for k in parts), *(_hashed(labels[f"{k}_y"]) for k in parts))
    return Original(parts, copy=_copy(total, missing, len(parts["test"].labels), of in KNOWN))


def _hashed(labels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(labels, "<i8").data).hexdigest()


def _told(files: Files, folder: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The hashes of decoded.json and the arrays of labels.npz, whole numbers in one dimension each."""
    try:
        decoded = json.loads((folder / "decoded.json").read_text())
        decoded = {f"{k}_x": str(decoded[f"{k}_x"]) for k in ("train", "test")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(files, folder / "decoded.json", f"it does not name both parts ({error!r})") from error
    classes = describe(files.name).num_classes
    path, labels = folder / "labels.npz", {}
    try:
        with np.load(path, allow_pickle=False) as held:
            for name in (f"{k}_{what}" for k in ("train", "test") for what in ("y", "missing")):
                labels[name] = held[name]
    except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(files, path, f"it does not hold the labels ({error!r})") from error
    for name, held in labels.items():
        most = classes if name.endswith("_y") else len(labels[name.replace("missing", "y")])
        whole = held.ndim == 1 and (held.dtype.kind in "iu" or not len(held))
        if not whole or (len(held) and not 0 <= int(held.min()) <= int(held.max()) < most):
            raise _damaged(files, path, f"{name} are no whole numbers from 0 to {most - 1}")
    return decoded, {name: held.astype(np.int64) for name, held in labels.items()}


def _copy(total: int, missing: dict[str, int], n_test: int, known: bool) -> str | None:
    """What a table says under a number measured on this copy; None where it is the maker's, and no image is missing."""
    exact = total - sum(missing.values())
    if not known:
        return f"{exact:,} images on the word of a mirror alone: not compared with the maker's; n={n_test:,} test"
    if not any(missing.values()):
        return None
    return (
        f"{exact:,} of {total:,} images exact ({missing['train']} train and {missing['test']} test images "
        f"missing and left out); n={n_test:,} test"
    )


def _check_sums(files: Files, folder: Path) -> None:
    """Notes every file as read; RedoubtError unless SHA256SUMS covers all of them and agrees."""
    rows = (line.partition(" ") for line in (folder / SUMS).read_text().splitlines())
    expected = {name.strip(): sha256 for sha256, _, name in rows}
    needed = {"labels.npz", "decoded.json", *(p.name for p in folder.glob("*.webp"))}
    for name in sorted(needed | expected.keys()):
        if not (folder / name).is_file():
            raise _damaged(files, folder / name, "a file of the mirror is missing")
        files.accept(folder / name, None, "mirror")
        if files.read[-1]["sha256"] != expected.get(name):
            raise _damaged(files, folder / name, f"wrong checksum: {SUMS} does not agree")


def _decode(folder: Path, name: str, size: int) -> np.ndarray:
    """(N, size, size, 3) uint8 of all mosaics of one part, decoded in threads (outside Python's lock)."""
    from PIL import Image

    numbered = [p for p in folder.glob(f"{name}_*.webp") if p.stem.rsplit("_", 1)[1].isdecimal()]
    paths = sorted(numbered, key=lambda p: int(p.stem.rsplit("_", 1)[1]))
    if not paths:
        raise RedoubtError("the mirror holds no images of one part", file=folder / f"{name}_0.webp")
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.concatenate(list(pool.map(lambda path: _tiles(path, size), paths)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RedoubtError(
            f"a mosaic of this mirror cannot be read: {error}", file=paths[0].parent
        ) from error


def _tiles(path: Path, size: int) -> np.ndarray:
    """(N, size, size, 3) uint8 of one mosaic."""
    from PIL import Image

    mosaic = np.asarray(Image.open(path).convert("RGB"))
    rows = mosaic.shape[0] // size
    tiles = mosaic.reshape(rows, size, ROW, size, 3).transpose(0, 2, 1, 3, 4)
    return tiles.reshape(-1, size, size, 3)


def _damaged(files: Files, path: Path, what: str) -> RedoubtError:
    return RedoubtError(
        f"data set {files.name}: {what}",
        file=path,
        hint="copy the mirror again, or leave `mirror` out to download from the data set's maker",
    )
