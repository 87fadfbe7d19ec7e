"""How large a network's gradients are, block by block: CURE's figure 6(a)."""

import torch.nn.functional as F
from torch import Tensor, autograd, cat

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
    with evaluating(model):
        for p in model.parameters():
            p.requires_grad_(True)
        loss = F.cross_entropy(model(x), y)
        found = {}
        for name, parts in model.blocks().items():
            weights = [p for part in parts for p in part.parameters()]
            g = autograd.grad(loss, weights, retain_graph=True)
            found[name] = cat([v.flatten() for v in g]).abs().mean().item()
    return found
