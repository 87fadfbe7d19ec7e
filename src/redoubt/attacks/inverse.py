"""The inverse attack: the perturbation that makes a model surest of the true class (UIAT's inverse adversary).

It measures no robustness. It is what inverse adversarial training draws its targets from, and how far it moves a
prediction says how steep the model is in the good direction.
"""

import torch
from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Model, batched
from redoubt.attacks.core.entry_exit import attack, finish
from redoubt.attacks.core.eot import expectation, is_random
from redoubt.attacks.core.losses import cross_entropy
from redoubt.attacks.core.pgd_loop import Ascent, climb
from redoubt.attacks.core.pgd_step import random_start as draw_start
from redoubt.seeds import generator


@attack("linf", "l2")
def inverse(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 20,
    step_size: float | None = None,
    random_start: bool = False,
    eot: int = 1,
) -> AttackResult:
    """PGD that minimises the cross-entropy; keeps each example's iterate of the smallest loss.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps, step_size: in pixels of the norm; the default step is 2.5 eps / steps.
        random_start: off, so that a perturbation never does harm: x itself is among the iterates.
        eot: gradients averaged, for a random model.

    Raises:
        RedoubtError: see `entry_exit.attack`.
    """
    counted = expectation(model, eot)
    size = 2.5 * eps / max(steps, 1) if step_size is None else step_size
    start = draw_start(x, norm, eps, generator(x.device, seed, "inverse")) if random_start else x
    how = Ascent(eps, norm, steps, size, stop=False, keep_last=is_random(model, x))

    def work(rows: slice) -> tuple[Tensor, Tensor]:
        labels = y[rows]
        surer = lambda logits, live: -cross_entropy(logits, labels[live])
        never = lambda logits, live: torch.zeros_like(live, dtype=torch.bool)
        points, value, _ = climb(counted, surer, never, x[rows], start[rows], how)
        return points, -value

    points, loss = batched(work, len(x), batch_size)
    return finish(counted, points, x, y, eps, norm, batch_size, seed=seed, mean_loss=loss.mean().item())
