"""How large a network's gradients are, block by block: CURE's figure 6(a)."""

import copy

import torch.nn.functional as F
from torch import Tensor, autograd, cat

from redoubt.models.base import Classifier


def magnitudes(model: Classifier, x: Tensor, y: Tensor) -> dict[str, float]:
    """Mean absolute value of dCE/dw over the weights of each block, for the mean loss of these images.

    Args:
        model: a copy of it is used, in eval mode, so that batch norm is a constant map.
        x, y: (N, C, H, W) in [0, 1] and (N,) labels.

    Returns:
        Block -> mean magnitude, in loss per unit of weight, stem first and head last.
    """
    twin = copy.deepcopy(model).eval().requires_grad_(True)
    names = {id(p): name for name, p in twin.named_parameters()}
    gradients = autograd.grad(F.cross_entropy(twin(x), y), list(twin.parameters()))
    g = dict(zip(names.values(), gradients, strict=True))
    return {
        block: cat([g[names[id(p)]].flatten() for part in parts for p in part.parameters()])
        .abs()
        .mean()
        .item()
        for block, parts in twin.blocks().items()
    }
