"""Digital corruptions of CIFAR-10-C on (N, H, W, C) images in [0, 1]; `level` is the severity from 0 to 4."""

from io import BytesIO

import numpy as np
import scipy  # its submodules load when they are first used
import torch
import torch.nn.functional as F
from PIL import Image

Rng = np.random.Generator


def brightness(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """Adds to the value of HSV: the largest channel grows, the ratios of the channels stay."""
    value = x.max(3, keepdims=True)
    brighter = np.clip(value + (0.05, 0.1, 0.15, 0.2, 0.3)[level], 0, 1)
    return np.where(value > 0, x * brighter / np.where(value > 0, value, 1), brighter)


def contrast(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    mean = x.mean((1, 2), keepdims=True)
    return (x - mean) * (0.75, 0.5, 0.4, 0.3, 0.15)[level] + mean


def saturate(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """Scales and shifts the saturation of HSV. A grey pixel has the hue 0, so a shift makes it red."""
    factor, shift = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))[level]
    value, least = x.max(3, keepdims=True), x.min(3, keepdims=True)
    chroma = value - least
    saturation = chroma / np.where(value > 0, value, 1)
    wanted = np.clip(saturation * factor + shift, 0, 1)
    # How far each channel lies below the largest one, as a share of the chroma: that is the hue.
    below = np.where(chroma > 0, (value - x) / np.where(chroma > 0, chroma, 1), np.array([0.0, 1.0, 1.0]))
    return value * (1 - wanted * below)


def pixelate(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    share = (0.95, 0.9, 0.85, 0.75, 0.65)[level]
    height, width = x.shape[1:3]
    small = (int(width * share), int(height * share))
    box = Image.Resampling.BOX
    return _each(x, lambda image: image.resize(small, box).resize((width, height), box))


def jpeg_compression(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    quality = (80, 65, 58, 50, 40)[level]

    def through(image: Image.Image) -> Image.Image:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _each(x, through)


def _each(x: np.ndarray, change) -> np.ndarray:
    """Every image through Pillow, as bytes."""
    pixels = np.round(x * 255).astype(np.uint8)
    pixels = pixels[..., 0] if x.shape[3] == 1 else pixels
    found = np.stack([np.asarray(change(Image.fromarray(p))) for p in pixels])
    return found.reshape(x.shape) / 255


def elastic_transform(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """A random affine map, then a random smooth displacement; all lengths are shares of the image's side."""
    push, sigma, shake = (
        (0, 0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    )[level]
    n, height, width, _ = x.shape
    side = min(height, width)
    moved = _sample(x, _affine(n, height, width, shake * side, rng), around="centres")
    offsets = scipy.ndimage.gaussian_filter(
        rng.uniform(-1, 1, (2, n, height, width)),
        (0, 0, sigma * side, sigma * side),
        mode="reflect",
        truncate=3,
    )
    down, right = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    where = np.stack([right + push * side * offsets[0], down + push * side * offsets[1]], -1)
    return _sample(moved, where, around="edges")


def _affine(n: int, height: int, width: int, shake: float, rng: Rng) -> np.ndarray:
    """(N, H, W, 2) where each pixel (right, down) comes from when three points of the image are shaken."""
    middle, third = np.array([width, height]) // 2, min(height, width) // 3
    corners = middle + third * np.array([[1, 1], [1, -1], [-1, -1]])
    shaken = corners + rng.uniform(-shake, shake, (n, 3, 2))
    ones = np.ones((n, 3, 1))
    back = np.linalg.solve(np.concatenate([shaken, ones], 2), np.broadcast_to(corners, (n, 3, 2)))
    down, right = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    pixels = np.stack([right, down, np.ones_like(right)], -1).reshape(-1, 3)
    return (pixels @ back).reshape(n, height, width, 2)


def _sample(x: np.ndarray, where: np.ndarray, around: str) -> np.ndarray:
    """x read bilinearly at `where` (N, H, W, 2: right, down, in pixels), mirrored at its outer pixels or edges."""
    size = np.array([x.shape[2], x.shape[1]])
    centres = around == "centres"
    grid = 2 * where / (size - 1) - 1 if centres else (2 * where + 1) / size - 1
    image, grid = torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(grid)
    found = F.grid_sample(image, grid, padding_mode="reflection", align_corners=centres)
    return found.permute(0, 2, 3, 1).numpy()
