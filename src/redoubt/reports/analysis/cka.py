"""Centered kernel alignment of representations: Kornblith et al. 2019, in minibatches by Nguyen et al. 2021.

CURE compares with it what a network makes of natural and of adversarial images (its figures 3 and 12).
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from redoubt.reports.analysis.activations import activations


def hsic(k: Tensor, m: Tensor) -> Tensor:
    """The unbiased estimator of HSIC, Song et al. 2012, equation 5; it may be below 0.

    Args:
        k, m: (n, n) symmetric kernel matrices of the same n > 3 examples; their diagonals do not count.

    Raises:
        ValueError: fewer than 4 examples.
    """
    n = len(k)
    if n < 4:
        raise ValueError("the unbiased estimator needs at least 4 examples")
    k, m = k.clone().fill_diagonal_(0), m.clone().fill_diagonal_(0)
    trace = (k * m).sum()  # tr(k m) of symmetric matrices
    ends = k.sum() * m.sum() / ((n - 1) * (n - 2))
    middle = 2 * (k.sum(0) * m.sum(0)).sum() / (n - 2)
    return (trace + ends - middle) / (n * (n - 3))


def kernels(layers: dict[str, Tensor]) -> list[Tensor]:
    """The linear kernel of each layer's (n, d) representations, in float64."""
    return [h.double() @ h.double().T for h in layers.values()]


def minibatch_cka(batches: Iterable[tuple[dict[str, Tensor], dict[str, Tensor]]]) -> np.ndarray:
    """CKA of every layer of one side with every layer of the other: HSIC is averaged over batches, then normalised.

    Args:
        batches: for each batch the (n, d) representations by layer, of both sides, of the same examples.

    Returns:
        (layers of the first side, layers of the second), float64. About 1 for representations that are equal up to
        rotation and one scale, about 0 for unrelated ones; NaN for a layer that is constant.
    """
    cross = left = right = torch.zeros((), dtype=torch.float64)
    for first, second in batches:
        a, b = kernels(first), kernels(second)
        cross = cross + torch.stack([torch.stack([hsic(k, m) for m in b]) for k in a])
        left = left + torch.stack([hsic(k, k) for k in a])
        right = right + torch.stack([hsic(m, m) for m in b])
    # The estimator of a layer with itself is positive but for rounding; a constant layer gives 0 / 0.
    return (cross / (left.clamp_min(0).sqrt()[:, None] * right.clamp_min(0).sqrt()[None, :])).numpy()


def natural_against_adversarial(model: nn.Module, x: Tensor, x_adv: Tensor, batch_size: int = 250) -> tuple:
    """The CKA map of a network's layers on natural images with its layers on its own adversarial ones.

    Args:
        x, x_adv: (N, C, H, W) in [0, 1], paired; a last batch of fewer than 4 is left out.

    Returns:
        Names of the layers, and the (layers, layers) map, natural ones along the first axis.
    """
    pairs = [
        (activations(model, a), activations(model, b))
        for a, b in zip(x.split(batch_size), x_adv.split(batch_size), strict=True)
        if len(a) >= 4
    ]
    return list(pairs[0][0]), minibatch_cka(pairs)
