"""Signed or normalised gradient steps inside a ball: the loop that trains every defense and drives PGD."""

from collections.abc import Callable

import torch
from torch import Tensor


def _per_example(v: Tensor) -> Tensor:
    return v.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, *[1] * (v.ndim - 1))


def random_start(
    x: Tensor, norm: str, eps: float, generator: torch.Generator | None, *, clip: bool = True
) -> Tensor:
    """A point drawn in the ball around x: uniform in the cube for linf, uniform in the ball for l2.

    Args:
        clip: to [0, 1]; some authors' codes leave that to the first step.
    """
    if norm == "linf":
        delta = torch.empty_like(x).uniform_(-eps, eps, generator=generator)
    else:
        delta = torch.empty_like(x).normal_(generator=generator)
        radius = torch.rand(len(x), device=x.device, dtype=x.dtype, generator=generator) ** (1 / x[0].numel())
        delta = delta / _per_example(delta) * radius.view(-1, *[1] * (x.ndim - 1)) * eps
    return (x + delta).clamp(0, 1) if clip else x + delta


def normal_start(x: Tensor, deviation: float, generator: torch.Generator | None) -> Tensor:
    """x plus normal noise, neither projected nor clipped to [0, 1] (trades.py 34, mart.py 20)."""
    return x + deviation * torch.empty_like(x).normal_(generator=generator)


def step(z: Tensor, gradient: Tensor, x: Tensor, norm: str, eps: float, size: float | Tensor) -> Tensor:
    """One ascent step from z (descent for a negative `size`), projected on the eps-ball of x and on [0, 1].

    Args:
        size: of the step, for all or (N, 1, 1, 1) for each.
    """
    if norm == "linf":
        z = z + size * gradient.sign()
        return torch.minimum(torch.maximum(z, x - eps), x + eps).clamp(0, 1)
    delta = z + size * gradient / _per_example(gradient) - x
    delta = delta * (eps / _per_example(delta)).clamp_max(1)
    return (x + delta).clamp(0, 1)


def ascend(
    objective: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    norm: str = "linf",
    start: Tensor | None = None,
    descend: bool = False,
) -> Tensor:
    """Projected gradient ascent on `objective` (descent: the inverse adversary), as used inside training.

    Args:
        objective: images (N, C, H, W) -> a scalar, or one value an example. Summed, so that the step of an
            example does not depend on its batch.
        x: (N, C, H, W) in [0, 1], centre of the ball.
        eps, step_size: in pixel units of the norm.
        start: where to begin, default x; `random_start` draws one.
        descend: minimise instead.

    Returns:
        The last iterate, detached, within eps of x and inside [0, 1].
    """
    size = -step_size if descend else step_size
    z = (x if start is None else start).detach()
    with torch.enable_grad():
        for _ in range(steps):
            z.requires_grad_()
            (gradient,) = torch.autograd.grad(objective(z).sum(), z)
            z = step(z.detach(), gradient, x, norm, eps, size)
    return z.detach()
