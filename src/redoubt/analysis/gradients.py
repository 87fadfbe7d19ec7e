"""How large a network's gradients are, block by block: CURE's figure 6(a)."""

import torch.nn.functional as F
from torch import Tensor, autograd, cat
from torch.func import functional_call

from redoubt.attacks.engine import evaluating
from redoubt.models.base import Classifier


def magnitudes(model: Classifier, x: Tensor, y: Tensor) -> dict[str, float]:
    """Mean absolute value of dCE/dw over the weights of each block, for the mean loss of these images.

    Args:
        model: in eval mode for the pass, so that batch norm is a constant map.
        x, y: (N, C, H, W) in [0, 1] and (N,) labels.

    Returns:
        Block -> mean magnitude, in loss per unit of weight, stem first and head last.
    """
    weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    names = {id(p): name for name, p in model.named_parameters()}
    with evaluating(model):
        loss = F.cross_entropy(functional_call(model, weights, (x,)), y)
    g = dict(zip(weights, autograd.grad(loss, list(weights.values())), strict=True))
    return {
        block: cat([g[names[id(p)]].flatten() for part in parts for p in part.parameters()])
        .abs()
        .mean()
        .item()
        for block, parts in model.blocks().items()
    }
