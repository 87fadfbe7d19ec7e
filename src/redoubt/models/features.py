"""Penultimate features: how far attacks move them, and a picture of them in two dimensions."""

import numpy as np
from torch import Tensor

METRICS = ("linf", "l1", "l2", "cosine")


def gap(natural: Tensor, adversarial: Tensor, metric: str = "linf") -> Tensor:
    """The distance of each image's natural feature from its adversarial one: AFD's figure 1(a) with `linf`.

    Args:
        natural, adversarial: (N, D) features of the same images.
        metric: linf, l1 and l2 of the difference, or cosine: 1 - cos of the two.

    Returns:
        (N,); cosine is in [0, 2], and 1 where a feature is 0.

    Raises:
        ValueError: an unknown metric.
    """
    if metric == "cosine":
        length = natural.norm(dim=1) * adversarial.norm(dim=1)
        return 1 - (natural * adversarial).sum(1) / length.clamp_min(1e-12)
    difference = (natural - adversarial).abs()
    if metric == "linf":
        return difference.amax(1)
    if metric == "l1":
        return difference.sum(1)
    if metric == "l2":
        return difference.norm(dim=1)
    raise ValueError(f"metric is one of {', '.join(METRICS)}, not {metric}")


def embed(features: np.ndarray, perplexity: float = 30, seed: int = 0) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton 2008) to the plane, from a PCA start: distances between groups mean nothing.

    Args:
        features: (N, D); the perplexity is lowered to N / 4 where there are few.

    Returns:
        (N, 2) float32, the same for the same features and seed on one machine.
    """
    from sklearn.manifold import TSNE

    return TSNE(
        perplexity=min(perplexity, len(features) / 4), init="pca", random_state=seed, method="exact"
    ).fit_transform(features)


def separation(features: np.ndarray, y: np.ndarray) -> float:
    """The mean silhouette of the classes (Rousseeuw 1987) in [-1, 1]: 1 apart, 0 touching, below 0 mixed."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(features, y))
