"""Weather of CIFAR-10-C on (N, H, W, C) images in [0, 1]; `level` is the severity from 0 to 4."""

import numpy as np
import scipy  # its submodules load when they are first used

from redoubt.attacks.corruptions.blur import smooth, streak, zoomed

Rng = np.random.Generator
LUMINANCE = np.array([0.299, 0.587, 0.114])
WATER, MUD = np.array([175, 238, 238]) / 255, np.array([63, 42, 20]) / 255
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


def grey(x: np.ndarray) -> np.ndarray:
    """(N, H, W, 1) luminance."""
    return x if x.shape[3] == 1 else (x @ LUMINANCE)[..., None]


def fractal(n: int, height: int, width: int, decay: float, rng: Rng) -> np.ndarray:
    """(n, height, width, 1) clouds in [0, 1] by the diamond-square algorithm; a larger decay is smoother."""
    side = 1 << max(max(height, width) - 1, 1).bit_length()
    cloud = np.zeros((n, side, side))
    step, size = side, 100.0
    wobble = lambda mean: mean + size * rng.uniform(-size, size, mean.shape)
    while step >= 2:
        half = step // 2
        corners = cloud[:, ::step, ::step]
        rows = corners + np.roll(corners, -1, 1)
        cloud[:, half::step, half::step] = wobble((rows + np.roll(rows, -1, 2)) / 4)
        middles = cloud[:, half::step, half::step]
        beside = middles + np.roll(middles, 1, 1) + corners + np.roll(corners, -1, 2)
        cloud[:, ::step, half::step] = wobble(beside / 4)
        above = middles + np.roll(middles, 1, 2) + corners + np.roll(corners, -1, 1)
        cloud[:, half::step, ::step] = wobble(above / 4)
        step, size = half, size / decay
    cloud -= cloud.min((1, 2), keepdims=True)
    return (cloud / cloud.max((1, 2), keepdims=True))[:, :height, :width, None]


def fog(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    density, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[level]
    brightest = x.max((1, 2, 3), keepdims=True)
    n, height, width = x.shape[:3]
    return (x + density * fractal(n, height, width, decay, rng)) * brightest / (brightest + density)


def frost(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """The authors' weights on a drawn texture: bright veins on a dark ground (ours, for their photographs)."""
    kept, added = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[level]
    n, height, width = x.shape[:3]
    cloud = fractal(n, height, width, 1.8, rng)
    veins = 1 - np.abs(2 * cloud - 1)
    return kept * x + added * (0.25 + 0.75 * veins**2)


def snow(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """Flakes that fall to both sides, over a whitened image."""
    mean, spread, zoom, least, radius, sigma, kept = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )[level]
    flakes = zoomed(rng.normal(mean, spread, (*x.shape[:3], 1)), zoom)
    flakes = np.floor(np.clip(np.where(flakes < least, 0, flakes), 0, 1) * 255) / 255
    flakes = streak(flakes, radius, sigma, rng.uniform(-135, -45, len(x)))
    white = np.maximum(x, grey(x) * 1.5 + 0.5)
    return kept * x + (1 - kept) * white + flakes + flakes[:, ::-1, ::-1]


def spatter(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """Water drops (levels 0 to 2) or mud (3 and 4)."""
    mean, spread, sigma, least, strength, mud = (
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    )[level]
    liquid = smooth(rng.normal(mean, spread, (*x.shape[:3], 1)), sigma)
    liquid = np.where(liquid < least, 0, liquid)
    color = MUD if mud else WATER
    color = color if x.shape[3] == 3 else (color @ LUMINANCE)[None]
    if mud:
        cover = smooth((liquid > least).astype(float), strength)
        cover = np.where(cover < 0.8, 0, cover)
        return x * (1 - cover) + color * cover
    drops = liquid * np.stack([_relief(image[..., 0]) for image in liquid])[..., None]
    return x + strength * drops / drops.max((1, 2, 3), keepdims=True).clip(1e-12) * color


def _relief(liquid: np.ndarray) -> np.ndarray:
    """(H, W) in [0, 1]: drops lit from one side, by the distance to their outline (ours, for OpenCV's Canny)."""
    wet = liquid > 0
    outline = wet & ~scipy.ndimage.binary_erosion(wet)
    if not outline.any():
        return np.zeros_like(liquid)
    away = scipy.ndimage.uniform_filter(
        scipy.ndimage.distance_transform_edt(~outline).clip(max=20), 3, mode="mirror"
    )
    levels = np.searchsorted(np.sort(away.ravel()), away, side="right") / away.size
    lit = scipy.ndimage.correlate(levels, EMBOSS, mode="mirror").clip(0, 1)
    return scipy.ndimage.uniform_filter(lit, 3, mode="mirror")
