"""Noise of CIFAR-10-C on (N, H, W, C) images in [0, 1]; `level` is the severity from 0 to 4."""

import numpy as np

Rng = np.random.Generator


def gaussian_noise(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    return x + rng.normal(scale=(0.04, 0.06, 0.08, 0.09, 0.10)[level], size=x.shape)


def shot_noise(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    photons = (500, 250, 100, 75, 50)[level]
    return rng.poisson(x * photons) / photons


def impulse_noise(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    """Salt and pepper, each channel of a pixel on its own."""
    share = (0.01, 0.02, 0.03, 0.05, 0.07)[level]
    hit = rng.uniform(size=x.shape) < share
    return np.where(hit, (rng.uniform(size=x.shape) < 0.5).astype(x.dtype), x)


def speckle_noise(x: np.ndarray, level: int, rng: Rng) -> np.ndarray:
    return x + x * rng.normal(scale=(0.06, 0.1, 0.12, 0.16, 0.2)[level], size=x.shape)
