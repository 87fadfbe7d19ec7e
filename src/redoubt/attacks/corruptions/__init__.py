"""Common corruptions: the 15 families of CIFAR-10-C and its 4 extra ones, at severities 1 to 5.

Hendrycks and Dietterich (2019) publish the corrupted CIFAR-10 test images. Where their files are in a folder, those
are used; otherwise the images are generated here, and `info["source"]` says which. What the generated ones are:

- Every parameter is that of the authors' make_cifar_c.py, which made the published files from 32x32 images. Lengths
  there are pixels and stay pixels here at any size (ours): the same severity is harsher on 8x8 digits and milder on
  64x64 images. Only the elastic transform scales with the image, as it does in the authors' code.
- Grey images are ours: the authors' code knows only RGB. Colours become their luminance; saturation does not exist.
- frost uses a drawn texture, not the authors' photographs, and spatter's drops are outlined without OpenCV (ours).
- The random draws are others than those of the published files. So generated images measure the same kind of
  corruption at nearly the same strength; their numbers are not comparable with numbers on the published files.

`imagecorruptions` is no alternative: it needs pkg_resources, which current setuptools no longer has, images of at
least 32x32, and its parameters are those of ImageNet-C.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Counted, Model
from redoubt.attacks.core.entry_exit import attack, finish
from redoubt.attacks.corruptions import blur, digital, noise, published, weather
from redoubt.errors import RedoubtError, nearest
from redoubt.seeds import derive

FAMILIES = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": digital.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg_compression,
}
EXTRA = {
    "speckle_noise": noise.speckle_noise,
    "gaussian_blur": blur.gaussian_blur,
    "spatter": weather.spatter,
    "saturate": digital.saturate,
}
ALL = {**FAMILIES, **EXTRA}
SEVERITIES = range(1, 6)


def families(channels: int) -> list[str]:
    """The names of the families that exist for images of so many channels: grey ones have no saturation."""
    return [name for name in ALL if channels == 3 or name != "saturate"]


def corrupt(x: np.ndarray, family: str, severity: int, seed: int) -> np.ndarray:
    """Corrupted copies of images.

    Args:
        x: (N, H, W, C) in [0, 1], C 1 or 3, any size from 8x8.
        family: a key of `ALL`.
        severity: 1 to 5.
        seed: of every draw, for the whole set at once.

    Returns:
        (N, H, W, C) float32 in [0, 1], in steps of 1/255 like the published files (which round down).

    Raises:
        RedoubtError: an unknown family or severity, a colour corruption of grey images, or other shapes.
    """
    if family not in ALL:
        raise RedoubtError("unknown corruption", value=family, allowed=ALL, nearest=nearest(family, ALL))
    if severity not in SEVERITIES:
        raise RedoubtError("unknown severity", value=severity, allowed=SEVERITIES)
    if x.ndim != 4 or x.shape[3] not in (1, 3) or min(x.shape[1:3]) < 8:
        raise RedoubtError(
            "corruptions need grey or RGB images of 8x8 or more", value=x.shape, allowed="(N, H, W, 1 or 3)"
        )
    if family not in families(x.shape[3]):
        raise RedoubtError(
            "grey images have no saturation", key="family", value=family, allowed=families(x.shape[3])
        )
    if not len(x):
        return x.astype(np.float32)
    rng = np.random.default_rng(derive(seed, "corruption", family, severity))
    found = np.clip(ALL[family](x.astype(np.float64), severity - 1, rng), 0, 1)
    return (np.floor(found * 255 + 1e-6) / 255).astype(np.float32)


@attack("linf", "l2", bounded=False)
def corruption(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float = 0.0,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    family: str,
    severity: int = 3,
    folder: str | None = None,
    left_out: Sequence[int] = (),
) -> AttackResult:
    """Accuracy on corrupted images; no adversary, no bound.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps, norm: without a meaning here.
        family, severity: which corruption, see `corrupt`.
        folder: where the published CIFAR-10-C files may be. They are used if the family's file is there; then x
            must be the first N test images in their original order.
        left_out: places in the original test set of images that x leaves out (a copy with missing images).

    Returns:
        `info` has family, severity, source (`published` or `generated`) and, for published files, their sha256.

    Raises:
        RedoubtError: see `finish.attack`, `corrupt` and `published.read`.
    """
    info = {"family": family, "severity": severity, "source": "generated"}
    if folder is not None and published.has(Path(folder), family):
        images, sha256 = published.read(
            Path(folder), family, severity, y.cpu().numpy(), x.shape[1:], left_out
        )
        info |= {"source": "published", "sha256": sha256}
    else:
        images = corrupt(x.permute(0, 2, 3, 1).cpu().numpy(), family, severity, seed)
    corrupted = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(x.device)
    return finish(Counted(model), corrupted, x, y, eps, None, batch_size, seed=seed, **info)
