"""FGSM (Goodfellow et al. 2015): one step of size eps along the gradient of the cross-entropy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.engine import AttackResult, Counted, Model, check_input, frozen
from redoubt.attacks.finish import finish
from redoubt.attacks.projected import step


def fgsm(
    model: Model, x: Tensor, y: Tensor, *, eps: float, norm: str = "linf", seed: int = 0, batch_size: int = 512
) -> AttackResult:
    """x + eps * sign(grad), clipped to [0, 1]; for l2 the normalised gradient.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: radius in pixels.
        seed: unused, nothing is drawn.

    Raises:
        RedoubtError: see `engine.check_input`.
    """
    check_input(model, x, y, eps, norm)
    counted = Counted(model)
    parts = []
    with frozen(model):
        for xb, yb in zip(x.split(batch_size), y.split(batch_size), strict=True):
            loss = lambda z, yb=yb: F.cross_entropy(z, yb, reduction="none")
            _, gradient, _ = counted.value_and_gradient(loss, xb)
            parts.append(step(xb, gradient, xb, norm, eps, eps))
    return finish(counted, torch.cat(parts) if parts else x, x, y, eps, norm, batch_size)
