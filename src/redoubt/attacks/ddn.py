"""DDN (Rony et al. 2019): small l2 perturbations, direction and length decoupled, without a search over c."""

import math

import torch
from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Counted, Model, batched, predict
from redoubt.attacks.core.entry_exit import attack, finish_minimal
from redoubt.attacks.core.losses import cross_entropy
from redoubt.seeds import generator

TINY = 1e-12  # below this a gradient has no direction


@attack("l2", covers=True)
def ddn(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "l2",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 100,
    gamma: float = 0.05,
    initial_norm: float = 1.0,
    levels: int | None = None,
) -> AttackResult:
    """Walks along the sphere whose radius shrinks by gamma at an adversarial point and grows otherwise (algorithm 1).

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: an example whose smallest perturbation is longer than this l2 radius counts as robust.
        seed: of the direction taken where the gradient vanishes; drawn for the whole set at once.
        steps: forward and backward passes an image; 100, 300 and 1000 in the paper.
        gamma: change of the radius a step; 0.05 in the paper.
        initial_norm: first radius, in pixels; 1 in the paper.
        levels: quantise pixels to so many levels (256 in the paper); None leaves them real, as every other attack.

    Returns:
        `info` has the quartiles of the distance over all examples that were broken at any distance.

    Raises:
        RedoubtError: see `entry_exit.attack`.
    """
    counted = Counted(model)
    wrong = predict(counted, x, batch_size).argmax(1) != y
    norms = torch.where(wrong, 0.0, torch.inf).to(x.dtype)
    points, rows = x.clone(), (~wrong).nonzero()[:, 0]
    if len(rows):
        anywhere = torch.empty_like(x).normal_(generator=generator(x.device, seed, "ddn"))
        how = (steps, gamma, initial_norm, levels)
        work = lambda s: _walk(counted, x[rows[s]], y[rows[s]], anywhere[rows[s]], *how)
        points[rows], norms[rows] = batched(work, len(rows), batch_size)
    return finish_minimal(counted, points, norms, x, y, eps, norm, batch_size, seed)


def _wide(v: Tensor) -> Tensor:
    return v.view(-1, 1, 1, 1)


def _walk(
    model: Counted,
    x: Tensor,
    y: Tensor,
    anywhere: Tensor,
    steps: int,
    gamma: float,
    initial: float,
    levels: int | None,
) -> tuple[Tensor, Tensor]:
    best, norms = x.clone(), x.new_full((len(x),), torch.inf)
    farthest = torch.maximum(x, 1 - x).flatten(1).norm(dim=1)
    radius = torch.full_like(farthest, initial).minimum(farthest)
    delta = torch.zeros_like(x)
    loss = lambda logits: cross_entropy(logits, y)
    for i in range(steps + 1):
        z = x + delta
        length = delta.flatten(1).norm(dim=1)
        if i < steps:
            _, gradient, logits = model.value_and_gradient(loss, z)
        else:
            with torch.no_grad():
                logits = model(z)
        broken = logits.argmax(1) != y
        closer = broken & (length < norms)
        best[closer], norms[closer] = z[closer], length[closer]
        if i == steps:
            break
        size = gradient.flatten(1).norm(dim=1)
        lost = ~(size > TINY)  # NaN too
        gradient = torch.where(_wide(lost), anywhere, gradient)
        size = torch.where(lost, anywhere.flatten(1).norm(dim=1), size)
        # The step falls from 1 to 0.01 along a cosine (section 4).
        delta = delta + (0.01 + 0.99 * (1 + math.cos(math.pi * i / steps)) / 2) * gradient / _wide(size)
        radius = torch.where(broken, (1 - gamma) * radius, (1 + gamma) * radius).minimum(farthest)
        delta = delta * _wide(radius / delta.flatten(1).norm(dim=1).clamp_min(TINY))
        z = (x + delta).clamp(0, 1)
        if levels is not None:
            z = (z * (levels - 1)).round() / (levels - 1)
        delta = z - x
    return best.clamp(0, 1), norms
