"""Against a defense that removes pixels by a threshold: the mask is softened, and the softening annealed away.

The sigmoid gives the attack a gradient through the map that decides which pixels go (double backward). With
`steering` it also learns to keep its own changes: surgery then removes the content and leaves the attack.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Counted, slope
from redoubt.attacks.core.entry_exit import attack, finish, predictions
from redoubt.attacks.core.pgd_step import random_start, step
from redoubt.errors import RedoubtError
from redoubt.seeds import generator


class Softenable(Protocol):
    """What this attack needs of a model; the view `relaxed` of PSSR has it."""

    def soften(self, x: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """(logits, the soft mask of what is kept), differentiable."""

    def hard(self, x: Tensor) -> Tensor:
        """Logits of what is deployed."""


@attack("linf", "l2")
def relaxed_mask(
    model: Softenable,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 50,
    step_size: float | None = None,
    restarts: int = 1,
    first: float = 1.0,
    last: float = 0.01,
    steering: float = 0.0,
) -> AttackResult:
    """PGD on CE + steering * mean(kept * |delta| / eps) through the soft mask; points count by the hard one.

    Args:
        model: see `Softenable`.
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: radius in pixels of the norm.
        steps: gradient steps a start; each also costs a forward pass with the hard mask.
        step_size: in pixels of the norm; default 2.5 eps / steps.
        restarts: random starts; each attacks only what still stands.
        first, last: temperature of the sigmoid at the first and at the last step, falling geometrically.
        steering: weight of the share of the perturbation that surgery keeps; 0 leaves it out.

    Raises:
        RedoubtError: see `entry_exit.attack`; a model that has no soft mask; fewer than one step or start; a
            temperature that is not above 0.
    """
    if not (hasattr(model, "soften") and hasattr(model, "hard")):
        raise RedoubtError("this model has no mask that could be softened", hint="attack its view `relaxed`")
    for key, value in {"steps": steps, "restarts": restarts, "first": first, "last": last}.items():
        if not value > 0:
            raise RedoubtError("this must be above 0", key=key, value=value)
    size = 2.5 * eps / steps if step_size is None else step_size
    counted, draws = Counted(model.hard), generator(x.device, seed, "relaxed mask")
    points, broken = x.clone(), predictions(counted, x, batch_size) != y
    for _ in range(restarts):
        start = random_start(x, norm, eps, draws)
        for rows in (~broken).nonzero()[:, 0].split(batch_size):
            z, found, center = start[rows], torch.zeros_like(rows, dtype=torch.bool), x[rows]
            for i in range(steps):
                temperature = first * (last / first) ** (i / max(1, steps - 1))
                towards = _slope(model, counted, z, center, y[rows], temperature, steering / eps)
                z = step(z, towards, center, norm, eps, size)
                fooled = (predictions(counted, z, batch_size) != y[rows]) & ~found
                points[rows[fooled]], found = z[fooled], found | fooled
            points[rows[~found]], broken[rows] = z[~found], found
    return finish(counted, points, x, y, eps, norm, batch_size, seed=seed, steering=steering)


def _slope(
    model: Softenable,
    counted: Counted,
    z: Tensor,
    x: Tensor,
    y: Tensor,
    temperature: float,
    steering: float,
) -> Tensor:
    """The gradient of the objective at z; two forward and two backward passes, one pair for the saliency."""
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        logits, kept = model.soften(z, temperature)
        each = F.cross_entropy(logits, y, reduction="none")
        if steering:
            each = each + steering * (kept * (z - x).abs()).flatten(1).mean(1)
        found = slope(each.sum(), z)
    counted.forward += len(z)
    counted.forward_calls += 1
    counted.backward += 2 * len(z)
    counted.backward_calls += 2
    return found.nan_to_num(0, 0, 0)
