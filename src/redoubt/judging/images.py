"""The images that a model is judged on: arrays, an `.npz` of x and y, or the test split of a known data set."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from redoubt import data
from redoubt.data.splits import digest as digest_of_indices
from redoubt.errors import RedoubtError, nearest


@dataclass(frozen=True)
class Images:
    """Images with labels.

    Attributes:
        x: (N, C, H, W) float32 in [0, 1], on the CPU.
        y: (N,) int64.
        about: what a record says of them: name, sha256, split, n, indices_sha256, num_classes (None where only the
            model knows), copy.
    """

    x: Tensor
    y: Tensor
    about: dict[str, Any]

    @property
    def shape(self) -> dict[str, Any]:
        """What a classifier of the package has to know; None classes where only the weights do."""
        classes = self.about["num_classes"]
        return {"num_classes": classes, "in_channels": self.x.shape[1], "image_size": self.x.shape[2]}


def hashes(x: np.ndarray) -> list[str]:
    """The sha256 of each image's bytes as uint8, by which a challenge names it."""
    return [hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in x]


def of_arrays(x: Any, y: Any, images: int | None = None, name: str = "arrays", source: Any = None) -> Images:
    """Images as they were given; the first `images` of them.

    Args:
        x: (N, C, H, W), (N, H, W) or (N, H, W, C), tensor or array; uint8, or floating point in [0, 1].
        y: (N,) whole numbers.
        source: the file, for errors.

    Raises:
        RedoubtError: other shapes or types, no images, pixels outside [0, 1], labels that are not whole numbers or
            fewer or more than the images.
    """
    pixels, labels = _tensor(x, "x", source), _tensor(y, "y", source)
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.ndim == 4 and pixels.shape[1] not in (1, 3) and pixels.shape[3] in (1, 3):
        pixels = pixels.permute(0, 3, 1, 2)
    if pixels.ndim != 4 or labels.shape != pixels.shape[:1] or not len(pixels):
        raise RedoubtError(
            "images and labels do not belong together", file=source,
            value=f"x {tuple(pixels.shape)}, y {tuple(labels.shape)}",
            allowed="x (N, C, H, W) and y (N,), at least one image",
        )  # fmt: skip
    if labels.is_floating_point() or labels.dtype == torch.bool or labels.min() < 0:
        raise RedoubtError(
            "labels are whole numbers from 0",
            file=source,
            key="y",
            value=f"{labels.dtype}, from {labels.min().item()}",
        )
    pixels, labels = pixels[:images], labels[:images].to(torch.int64).contiguous()
    if pixels.dtype == torch.uint8:
        pixels = data.to_float(pixels.contiguous())
    elif pixels.is_floating_point():
        pixels = pixels.float().contiguous()
    else:
        raise RedoubtError(
            "images are uint8, or floating point in [0, 1]", file=source, key="x", value=str(pixels.dtype)
        )
    low, high = pixels.min().item(), pixels.max().item()
    if not (torch.isfinite(pixels).all() and low >= 0 and high <= 1):
        raise RedoubtError(
            "images must be finite pixels in [0, 1]", file=source, key="x", value=f"{low:.4g} to {high:.4g}",
            hint="divide by 255" if low >= 0 and 1 < high <= 255 else "undo the normalization: the model does it",
        )  # fmt: skip
    content = hashlib.sha256(pixels.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()
    about = {
        "name": name, "sha256": content, "split": "given", "n": len(pixels),
        "indices_sha256": digest_of_indices(np.arange(len(pixels))), "num_classes": None, "copy": None,
    }  # fmt: skip
    return Images(pixels, labels, about)


def _tensor(values: Any, key: str, source: Any) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach().cpu()
    try:
        return torch.from_numpy(np.ascontiguousarray(values))
    except (TypeError, ValueError) as error:
        raise RedoubtError(
            f"this is no array of numbers: {error}", file=source, key=key, value=type(values).__name__
        ) from None


def of_npz(path: Path, images: int | None = None) -> Images:
    """The arrays `x` and `y` of a file of `numpy.savez`.

    Raises:
        RedoubtError: no such file, no archive of plain arrays, no x or y in it; see `of_arrays`.
    """
    found = arrays(path, ("x", "y"))
    return of_arrays(found["x"], found["y"], images, path.name, path)


def arrays(path: Path, needed: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Every array of an `.npz`; nothing in it is executed.

    Raises:
        RedoubtError: no such file, damaged, pickled objects in it, or one of `needed` is missing.
    """
    if not path.is_file():
        raise RedoubtError("there is no such file", file=path)
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            held = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RedoubtError(
            f"this is no archive of plain arrays: {error}",
            file=path,
            allowed="numpy.savez(file, x=..., y=...)",
        ) from None
    for name in needed:
        if name not in held:
            raise RedoubtError(
                f"this archive has no {name}", file=path, value=sorted(held), allowed=", ".join(needed),
                nearest=nearest(name, held),
            )  # fmt: skip
    return held


def of_data_set(name: str, root: Path, mirror: str | None, images: int | None = None) -> Images:
    """The maker's test images of a data set that the package knows; prepared alone, under `root/data`, where none are.

    Raises:
        RedoubtError: an unknown name; see `data.prepare`.
    """
    data.describe(name)
    dataset = _prepared(name, root)
    if dataset is None:
        folder = root / "data" / f"{name}_test"
        data.prepare(name, folder, mirror=mirror, train=0, validation=0)
        dataset = data.load(folder)
    split = dataset.split("test")
    x, y = split.tensors()
    x, y = data.to_float(x[:images]), y[:images]
    about = {
        "name": name, "sha256": dataset.sha256, "split": "test", "n": len(x), "indices_sha256": split.sha256,
        "num_classes": dataset.info.num_classes, "copy": dataset.copy,
    }  # fmt: skip
    return Images(x, y, about)


def _prepared(name: str, root: Path) -> data.Dataset | None:
    """The prepared folder of this data set with the most test images, if there is one."""
    found = []
    for path in sorted(root.glob("data/*/record.json")):
        try:
            dataset = data.load(path.parent)
        except RedoubtError:  # another study's concern
            continue
        if dataset.info.name == name:
            found.append(dataset)
    return max(found, key=lambda d: d.record["splits"]["test"]["n"], default=None)


def find(text: str, root: Path, mirror: str | None, images: int | None = None) -> Images:
    """What `--data` names: an `.npz`, or a data set.

    Raises:
        RedoubtError: see `of_npz` and `of_data_set`.
    """
    if text.endswith(".npz"):
        return of_npz(Path(text), images)
    return of_data_set(text, root, mirror, images)
