"""Blurs of CIFAR-10-C on (N, H, W, C) images in [0, 1]; `level` is the severity from 0 to 4."""

import numpy as np
import scipy  # its submodules load when they are first used

Rng = np.random.Generator


def smooth(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of height and width; the border repeats (scikit-image's default)."""
    return scipy.ndimage.gaussian_filter(x, (0, sigma, sigma, 0), mode="nearest", truncate=4)


def gaussian_blur(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    return smooth(x, (0.4, 0.6, 0.7, 0.8, 1)[level])


def defocus_blur(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """A disk, itself blurred by a 3x3 Gaussian against its jagged edge."""
    radius, edge = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[level]
    around = np.arange(-3, 4)
    disk = (around[:, None] ** 2 + around**2 <= radius**2).astype(float)
    gauss = np.exp(-(np.arange(-1, 2) ** 2) / (2 * edge**2))
    gauss /= gauss.sum()
    kernel = scipy.ndimage.convolve(disk / disk.sum(), np.outer(gauss, gauss), mode="constant")
    return scipy.ndimage.convolve(x, kernel[None, :, :, None], mode="mirror")


def glass_blur(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """Pixels take the colour of a random near one, between two blurs.

    The authors' code means to swap two pixels, but its numpy views make it a copy of the second onto the first; the
    published files are made that way, and so are these.
    """
    sigma, reach, rounds = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))[level]
    x = np.floor(smooth(x, sigma) * 255) / 255
    n, height, width, _ = x.shape
    each = np.arange(n)
    for _ in range(rounds):
        for h in range(height - reach, reach, -1):
            for w in range(width - reach, reach, -1):
                right, down = rng.integers(-reach, reach, size=(2, n))
                x[:, h, w] = x[each, h + down, w + right]
    return smooth(x, sigma)


def motion_blur(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    radius, sigma = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[level]
    return streak(x, radius, sigma, rng.uniform(-45, 45, len(x)))


def streak(x: np.ndarray, radius: int, sigma: float, degrees: np.ndarray) -> np.ndarray:
    """A one-sided Gaussian along one direction an image, as ImageMagick's motion blur; the border repeats.

    Args:
        degrees: (N,) direction of each image's motion.
    """
    n, height, width, _ = x.shape
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    angle = np.deg2rad(degrees)[:, None]
    down = np.ceil(steps * np.sin(angle) - 0.5).astype(int)
    right = np.ceil(steps * np.cos(angle) - 0.5).astype(int)
    found = np.zeros_like(x)
    for i, weight in enumerate(weights / weights.sum()):
        rows = np.clip(np.arange(height) + down[:, i, None], 0, height - 1)
        columns = np.clip(np.arange(width) + right[:, i, None], 0, width - 1)
        found += weight * x[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return found


def zoom_blur(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    factors = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[level], 0.01)
    return (x + sum(zoomed(x, f) for f in factors)) / (len(factors) + 1)


def zoomed(x: np.ndarray, factor: float) -> np.ndarray:
    """The middle of each image, enlarged bilinearly by `factor` to the image's size."""
    down, right = (_enlarging(side, factor) for side in x.shape[1:3])
    return np.einsum("ih,nhwc,jw->nijc", down, x, right, optimize=True)


def _enlarging(side: int, factor: float) -> np.ndarray:
    """(side, side) weights that cut out the middle and stretch it, first pixel onto first and last onto last."""
    part = int(np.ceil(side / factor))
    size, start = round(part * factor), (side - part) // 2
    where = start + np.linspace(0, part - 1, size)
    weights = np.clip(1 - np.abs(where[:, None] - np.arange(side)), 0, None)
    first = (size - side) // 2
    return weights[first : first + side]
