"""DeepFool (Moosavi-Dezfooli et al. 2016): steps to the nearest boundary of the linearised model, linf and l2."""

import torch
from torch import Tensor

from redoubt.attacks.core.engine import (
    AttackResult,
    Counted,
    Model,
    answer,
    batched,
    distance,
    predict,
    slope,
)
from redoubt.attacks.core.entry_exit import attack, finish_minimal

TINY = 1e-12


@attack("linf", "l2", covers=True)
def deepfool(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "l2",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 50,
    candidates: int = 10,
    overshoot: float = 0.02,
) -> AttackResult:
    """A cheap upper bound of the smallest perturbation (algorithm 2, and section 3.3 for other norms).

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: an example whose smallest perturbation is longer than this radius counts as robust.
        seed: unused, nothing is drawn.
        steps: linearisations at most; 50 in the authors' code.
        candidates: likeliest classes of the clean image that are looked at, each one backward pass a step; 10 in
            the authors' code.
        overshoot: how far beyond the boundary; 0.02 in the paper.

    Returns:
        `info` has the quartiles of the distance over all examples that were broken at any distance.

    Raises:
        RedoubtError: see `entry_exit.attack`.
    """
    counted = Counted(model)
    clean = predict(counted, x, batch_size)
    wrong = clean.argmax(1) != y
    norms = torch.where(wrong, 0.0, torch.inf).to(x.dtype)
    points, rows = x.clone(), (~wrong).nonzero()[:, 0]
    if len(rows):
        others = clean.scatter(1, y[:, None], -torch.inf).topk(min(candidates, clean.shape[1]) - 1).indices
        work = lambda s: _walk(counted, x[rows[s]], y[rows[s]], others[rows[s]], norm, steps, overshoot)
        points[rows], norms[rows] = batched(work, len(rows), batch_size)
    return finish_minimal(counted, points, norms, x, y, eps, norm, batch_size, seed)


def _linearised(model: Counted, z: Tensor, y: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, K), how much each other class lacks (N, M), and the gradients of that (M, N, C, H, W)."""
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        logits = answer(model, z)
        lacking = logits.gather(1, others) - logits.gather(1, y[:, None])
        last = lacking.shape[1] - 1
        each = [slope(lacking[:, k].sum(), z, k < last) for k in range(lacking.shape[1])]
    model.backward += len(z) * len(each)
    model.backward_calls += len(each)
    return logits.detach(), lacking.detach(), torch.stack(each)


def _walk(
    model: Counted, x: Tensor, y: Tensor, others: Tensor, norm: str, steps: int, overshoot: float
) -> tuple[Tensor, Tensor]:
    best, norms = x.clone(), x.new_full((len(x),), torch.inf)
    rows, moved, z = torch.arange(len(x), device=x.device), torch.zeros_like(x), x
    for i in range(steps + 1):
        if i == steps:
            with torch.no_grad():
                logits = model(z)
        else:
            logits, lacking, gradients = _linearised(model, z, y[rows], others[rows])
        broken = logits.argmax(1) != y[rows]
        hit = rows[broken]
        best[hit], norms[hit] = z[broken], distance(z[broken], x[hit], norm)
        if i == steps or broken.all():
            break
        move = _to_nearest(lacking, gradients.nan_to_num(0, 0, 0), norm)
        go_on = ~broken
        rows, moved = rows[go_on], (moved + move)[go_on]
        z = (x[rows] + (1 + overshoot) * moved).clamp(0, 1)
    return best, norms


def _to_nearest(lacking: Tensor, gradients: Tensor, norm: str) -> Tensor:
    """(N, C, H, W) the shortest move onto a boundary of the linearised model."""
    flat = gradients.flatten(2)
    dual = (flat.abs().sum(2) if norm == "linf" else flat.norm(dim=2)).clamp_min(TINY).T
    nearest = (lacking.abs() / dual).argmin(1)
    pick = torch.arange(len(nearest), device=nearest.device)
    gap = lacking.abs()[pick, nearest] + 1e-4  # authors' code: never an empty step at the boundary itself
    normal, size = gradients[nearest, pick], dual[pick, nearest]
    if norm == "linf":
        return (gap / size).view(-1, 1, 1, 1) * normal.sign()
    return (gap / size**2).view(-1, 1, 1, 1) * normal
