"""The optimizers of StAdv: Adam with projection, and L-BFGS, each example on its own in one vectorised run."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

BETA1, BETA2, SMALL = 0.9, 0.999, 1e-8  # Adam's, as published
HISTORY = 10  # pairs that L-BFGS remembers
ARMIJO, HALVINGS = 1e-4, 10  # sufficient decrease, and how often a step is halved in search of it
EDGE = 1 - 1e-6  # tanh never reaches the bound


class Search:
    """What an optimizer needs to know, and each example's strongest flow so far.

    Args:
        evaluate: (flow (M, H, W, 2), which examples (M,)) -> (loss (M,), gradient, success (M,)).
        start: (N, H, W, 2) first flows.
        bound: of each component.
        steps, rate: iterations, and Adam's learning rate.
        stop: an example leaves at its first success.
        keep_last: the last flow is the strongest one, for random models.
    """

    def __init__(
        self,
        evaluate: Callable,
        start: Tensor,
        bound: float,
        steps: int,
        rate: float,
        stop: bool,
        keep_last: bool,
    ):
        self._evaluate, self.start, self.bound, self.steps, self.rate = evaluate, start, bound, steps, rate
        self.stop, self.keep_last = stop, keep_last
        self.best = start.clone()
        self.value = start.new_full((len(start),), torch.inf)
        self.success = torch.zeros(len(start), dtype=torch.bool, device=start.device)

    def __call__(self, flow: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and gradient of the rows' flows; remembers them where they are stronger."""
        loss, gradient, success = self._evaluate(flow, rows)
        before = self.success[rows]
        better = (success & ~before) | ((success == before) & (loss <= self.value[rows]))
        if self.keep_last:
            better = torch.ones_like(better)
        chosen = rows[better]
        self.best[chosen], self.value[chosen], self.success[chosen] = (
            flow[better],
            loss[better],
            success[better],
        )
        return loss, gradient

    def going_on(self, rows: Tensor) -> Tensor:
        """(M,) bool, the rows that still stand."""
        return ~self.success[rows] if self.stop else torch.ones_like(rows, dtype=torch.bool)


def adam(search: Search) -> Tensor:
    """Projected Adam. Returns each example's strongest flow (N, H, W, 2)."""
    flow, rows = search.start, torch.arange(len(search.start), device=search.start.device)
    first, second = torch.zeros_like(flow), torch.zeros_like(flow)
    for i in range(1, search.steps + 1):
        _, gradient = search(flow, rows)
        first.lerp_(gradient, 1 - BETA1)
        second.lerp_(gradient**2, 1 - BETA2)
        rate = search.rate * math.sqrt(1 - BETA2**i) / (1 - BETA1**i)
        flow = (flow - rate * first / (second.sqrt() + SMALL)).clamp(-search.bound, search.bound)
        keep = search.going_on(rows)
        rows, flow, first, second = (t[keep] for t in (rows, flow, first, second))
        if not len(rows):
            return search.best
    search(flow, rows)
    return search.best


def lbfgs(search: Search) -> Tensor:
    """L-BFGS on w, flow = bound tanh(w), with backtracking. Returns each example's strongest flow (N, H, W, 2)."""
    shape = search.start.shape[1:]

    def at(w: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        tanh = w.tanh()
        loss, gradient = search(search.bound * tanh.view(-1, *shape), rows)
        return loss, gradient.flatten(1) * search.bound * (1 - tanh**2)

    rows = torch.arange(len(search.start), device=search.start.device)
    w = torch.atanh((search.start / search.bound).clamp(-EDGE, EDGE)).flatten(1)
    loss, gradient = at(w, rows)
    moves: list[Tensor] = []
    bends: list[Tensor] = []
    keep = search.going_on(rows)
    for _ in range(search.steps):
        rows, w, loss, gradient = (t[keep] for t in (rows, w, loss, gradient))
        moves, bends = [m[keep] for m in moves], [b[keep] for b in bends]
        if not len(rows):
            break
        direction = -_inverse_hessian(gradient, moves, bends)
        w_next, loss_next, gradient_next = _line_search(at, w, rows, loss, gradient, direction)
        moves = [*moves, w_next - w][-HISTORY:]
        bends = [*bends, gradient_next - gradient][-HISTORY:]
        # An example whose line search found nothing has arrived: the next search would be the same.
        keep = search.going_on(rows) & (loss_next < loss)
        w, loss, gradient = w_next, loss_next, gradient_next
    return search.best


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1, keepdim=True)


def _inverse_hessian(gradient: Tensor, moves: list[Tensor], bends: list[Tensor]) -> Tensor:
    """The two-loop recursion (Nocedal and Wright, algorithm 7.4), a row an example.

    A pair without positive curvature is ignored: its weight is 0. Without any pair the step has length 1.
    """
    curved = [_dot(s, y) for s, y in zip(moves, bends, strict=True)]
    weights = [torch.where(c > 1e-10, 1 / c.clamp_min(1e-10), 0) for c in curved]
    q, kept = gradient, []
    for s, y, weight in reversed(list(zip(moves, bends, weights, strict=True))):
        alpha = weight * _dot(s, q)
        q = q - alpha * y
        kept.append(alpha)
    scale = 1 / gradient.norm(dim=1, keepdim=True).clamp_min(1e-12)
    for c, y, weight in zip(curved, bends, weights, strict=True):
        scale = torch.where(weight > 0, c / _dot(y, y).clamp_min(1e-20), scale)
    q = scale * q
    for s, y, weight, alpha in zip(moves, bends, weights, reversed(kept), strict=True):
        q = q + s * (alpha - weight * _dot(y, q))
    return q


def _line_search(at, w: Tensor, rows: Tensor, loss: Tensor, gradient: Tensor, direction: Tensor):
    """Halves each example's step until the loss falls enough; an example that finds none stays where it is."""
    slope = _dot(gradient, direction)[:, 0]
    uphill = slope >= 0  # rounding, or a useless history: go down the gradient instead
    downhill = -gradient / gradient.norm(dim=1, keepdim=True).clamp_min(1e-12)
    direction = torch.where(uphill[:, None], downhill, direction)
    slope = _dot(gradient, direction)[:, 0]
    w, loss, gradient = w.clone(), loss.clone(), gradient.clone()
    start, first, todo, size = w.clone(), loss.clone(), torch.arange(len(rows), device=rows.device), 1.0
    for _ in range(HALVINGS):
        there = start[todo] + size * direction[todo]
        value, bent = at(there, rows[todo])
        good = value <= first[todo] + ARMIJO * size * slope[todo]
        done = todo[good]
        w[done], loss[done], gradient[done] = there[good], value[good], bent[good]
        todo, size = todo[~good], size / 2
        if not len(todo):
            break
    return w, loss, gradient


OPTIMIZERS = {"adam": adam, "lbfgs": lbfgs}
