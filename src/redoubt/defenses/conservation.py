"""Which weights CURE (arXiv 2401.14948, algorithm 1) conserves: percentiles of a score, by tensor or overall."""

import math

import torch
from torch import Tensor


def percentile(s: Tensor, p: float) -> Tensor:
    """The value that `s < value` needs to pick what lies below the p-th percentile (p a share in [0, 1]).

    The order statistic just above the linearly interpolated percentile: the same set, and no limit on the size.
    """
    at = math.ceil(p * (s.numel() - 1) - 1e-9)
    return s.flatten().sort().values[at]


def masks(scores: dict[str, Tensor], p: float, scope: str) -> dict[str, Tensor]:
    """Which weights are updated, algorithm 1, lines 11-13: RGP not below the p-th percentile.

    Args:
        scores: RGP of each weight, by tensor.
        scope: `tensor` takes the percentile of each tensor, `global` that of the whole network.

    Returns:
        Booleans of the scores' shapes; False is conserved.
    """
    if scope == "global":
        limit = percentile(torch.cat([s.flatten() for s in scores.values()]), p)
        return {name: s >= limit for name, s in scores.items()}
    return {name: s >= percentile(s, p) for name, s in scores.items()}


def block_of(name: str) -> str:
    """The block that a classifier's parameter belongs to: `stages.block1.0.weight` is in block1."""
    first, second, *_ = name.split(".")
    return second if first == "stages" else first
