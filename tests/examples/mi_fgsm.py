"""Worked example of a new attack: the momentum iterative method, MI-FGSM (Dong et al. 2018, arXiv 1710.06081)."""

import torch
from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Model, batched
from redoubt.attacks.core.entry_exit import attack, finish
from redoubt.attacks.core.eot import expectation
from redoubt.attacks.core.losses import cross_entropy
from redoubt.attacks.core.pgd_step import step


@attack("linf", "l2")
def mi_fgsm(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 10,
    decay: float = 1.0,
    eot: int = 1,
) -> AttackResult:
    """Steps of eps / steps along a decayed sum of gradients, each divided by its l1 norm (algorithm 1).

    Nothing is drawn and the last iterate is kept.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: radius in pixels of the norm.
        steps: gradient steps; 10 as in section 4.
        decay: mu, what is left of the sum at each step; 1 as in section 4, 0 is the iterative method without momentum.
        eot: gradients averaged, for a random model.

    Raises:
        RedoubtError: see `entry_exit.attack`.
    """
    counted = expectation(model, eot)

    def work(rows: slice) -> Tensor:
        z, momentum = x[rows], torch.zeros_like(x[rows])
        loss = lambda logits: cross_entropy(logits, y[rows])
        for _ in range(steps):
            _, gradient, _ = counted.value_and_gradient(loss, z)
            gradient = gradient.nan_to_num(0, 0, 0)
            length = gradient.flatten(1).abs().sum(1).clamp_min(1e-12).view(-1, 1, 1, 1)
            momentum = decay * momentum + gradient / length
            z = step(z, momentum, x[rows], norm, eps, eps / steps)
        return z

    x_adv = batched(work, len(x), batch_size)
    return finish(counted, x_adv, x, y, eps, norm, batch_size, seed=seed)
