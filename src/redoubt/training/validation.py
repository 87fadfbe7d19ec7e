"""What selects a checkpoint: clean accuracy and accuracy under a short PGD on held-out training images."""

from functools import partial

import torch
from torch import Tensor, nn

from redoubt.attacks.core.engine import evaluating
from redoubt.attacks.core.pgd_step import ascend, random_start
from redoubt.defenses.base import Defense
from redoubt.seeds import generator

STEP = 0.25  # of the radius; ours, the size that training attacks use


def accuracy(
    defense: Defense, model: nn.Module, x: Tensor, y: Tensor, steps: int, seed: int
) -> tuple[float, float]:
    """Clean accuracy and accuracy under PGD on what would be deployed, in [0, 1]."""
    deployed = defense.deployed(model)
    loss = lambda z, t: nn.functional.cross_entropy(deployed(z), t, reduction="none")
    devices = [x.device] if x.is_cuda else []
    clean = robust = 0
    with torch.random.fork_rng(devices), evaluating(deployed):
        torch.manual_seed(seed)
        draws = generator(x.device, seed, "validation")
        for xb, yb in zip(x.split(1000), y.split(1000), strict=True):
            start = random_start(xb, defense.norm, defense.eps, draws)
            x_adv = ascend(
                partial(loss, t=yb),
                xb,
                eps=defense.eps,
                step_size=STEP * defense.eps,
                steps=steps,
                norm=defense.norm,
                start=start,
            )
            with torch.no_grad():
                clean += (deployed(xb).argmax(1) == yb).sum().item()
                robust += (deployed(x_adv).argmax(1) == yb).sum().item()
    return clean / len(x), robust / len(x)
