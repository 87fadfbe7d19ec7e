"""The l2 attack of Carlini and Wagner (2017, section VI-A): small perturbations by Adam in tanh space."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Counted, Model, batched, distance, predict
from redoubt.attacks.core.entry_exit import attack, finish_minimal
from redoubt.attacks.core.losses import margin

SHRINK = 1 - 1e-6  # pixels of exactly 0 and 1 have no finite arctanh
ABORT = (
    0.9999  # authors' code: no progress if the loss fell by less than this factor over a tenth of the steps
)
BETA1, BETA2, SMALL = 0.9, 0.999, 1e-8  # Adam's, as published


@attack("l2", covers=True)
def cw(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "l2",
    seed: int = 0,
    batch_size: int = 512,
    kappa: float = 0.0,
    search_steps: int = 9,
    steps: int = 1000,
    learning_rate: float = 0.01,
    initial_const: float = 1e-3,
) -> AttackResult:
    """Minimises ||x' - x||^2 + c max(kappa - margin, 0) for each example, with a binary search over c.

    Deterministic, and independent of the batch: Adam's state, the search over c and the early abort are each
    example's own. (In the authors' code the abort looks at the whole batch.)

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: an example whose smallest perturbation is longer than this l2 radius counts as robust.
        seed: unused, nothing is drawn.
        kappa: by how much the wrong logit must win.
        search_steps: values of c; 9 in the authors' code.
        steps: Adam steps for each value; 10,000 in the paper, 1,000 in the authors' CIFAR settings.
        learning_rate: of Adam; 0.01 in the authors' code.
        initial_const: first c; 0.001 in the authors' code.

    Returns:
        `info` has the quartiles of the distance over all examples that were broken at any distance.

    Raises:
        RedoubtError: see `entry_exit.attack`.
    """
    counted = Counted(model)
    how = _How(kappa, search_steps, steps, learning_rate, initial_const)
    found, norms = minimal(counted, x, y, batch_size, how)
    return finish_minimal(counted, found, norms, x, y, eps, norm, batch_size, seed)


@dataclass(frozen=True)
class _How:
    kappa: float
    search_steps: int
    steps: int
    learning_rate: float
    initial_const: float


def minimal(model: Counted, x: Tensor, y: Tensor, batch_size: int, how: _How) -> tuple[Tensor, Tensor]:
    """(adversarial points (N, C, H, W), their l2 distance (N,), inf where none was found)."""
    wrong = predict(model, x, batch_size).argmax(1) != y
    norms = torch.where(wrong, 0.0, torch.inf).to(x.dtype)
    points, rows = x.clone(), (~wrong).nonzero()[:, 0]
    if len(rows):
        work = lambda s: _search(model, x[rows[s]], y[rows[s]], how)
        points[rows], norms[rows] = batched(work, len(rows), batch_size)
    return points, norms


def _search(model: Counted, x: Tensor, y: Tensor, how: _How) -> tuple[Tensor, Tensor]:
    """The binary search over c: ten times larger while nothing is found, then between the known bounds."""
    best, norms = x.clone(), x.new_full((len(x),), torch.inf)
    const = x.new_full((len(x),), how.initial_const)
    low, high = torch.zeros_like(const), torch.full_like(const, torch.inf)
    for _ in range(how.search_steps):
        points, length = _descend(model, x, y, const, how)
        closer = length < norms
        best[closer], norms[closer] = points[closer], length[closer]
        success = length.isfinite()
        high = torch.where(success, torch.minimum(high, const), high)
        low = torch.where(success, low, torch.maximum(low, const))
        const = torch.where(high.isfinite(), (low + high) / 2, const * 10)
    return best, norms


def _descend(model: Counted, x: Tensor, y: Tensor, const: Tensor, how: _How) -> tuple[Tensor, Tensor]:
    """Adam from x at one c an example: the closest adversarial iterate of each, inf away where there was none."""
    best, norms = x.clone(), x.new_full((len(x),), torch.inf)
    rows = torch.arange(len(x), device=x.device)
    w = torch.atanh((2 * x - 1) * SHRINK)
    first, second = torch.zeros_like(w), torch.zeros_like(w)
    before, window = x.new_full((len(x),), torch.inf), max(how.steps // 10, 1)
    for i in range(1, how.steps + 1):
        tanh = w.tanh()
        z, clean, labels, c = (tanh + 1) / 2, x[rows], y[rows], const[rows]
        hinge = lambda logits, labels=labels, c=c: c * (how.kappa - margin(logits, labels)).clamp_min(0)
        value, gradient, logits = model.value_and_gradient(hinge, z)
        length = distance(z, clean, "l2")
        broken = (logits.argmax(1) != labels) & (margin(logits, labels) >= how.kappa)
        closer = broken & (length < norms[rows])
        best[rows[closer]], norms[rows[closer]] = z[closer], length[closer]

        gradient = (gradient.nan_to_num(0, 0, 0) + 2 * (z - clean)) * (1 - tanh**2) / 2
        first.lerp_(gradient, 1 - BETA1)
        second.lerp_(gradient**2, 1 - BETA2)
        rate = how.learning_rate * math.sqrt(1 - BETA2**i) / (1 - BETA1**i)
        w = w - rate * first / (second.sqrt() + SMALL)
        if i % window == 0:
            loss = value + length**2
            go_on = loss <= before * ABORT
            rows, w, first, second, before = (t[go_on] for t in (rows, w, first, second, loss))
            if not len(rows):
                break
    return best, norms
