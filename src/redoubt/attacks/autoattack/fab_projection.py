"""Projection of a point on a hyperplane inside the unit box: the linear step of FAB."""

import torch
from torch import Tensor

# Newton steps at most. Each is exact on its linear piece, and steps only ever go right: between 3 and 8 are taken
# for 64 to 3072 pixels.
STEPS = 20
# Below this a weight of the l2 projection counts as zero (the reference's bound).
SMALL = 1e-8


def shift_to_hyperplane(t: Tensor, w: Tensor, b: Tensor, norm: str) -> Tensor:
    """The smallest shift d with w(t + d) = b and t + d in [0, 1] (Croce and Hein 2020, FAB, equation 4).

    Where the box does not reach the plane: the shift to its corner nearest to it. In both norms
    |d_i| = min(lambda * s_i, room_i) with one lambda an example, s = 1 for linf and |w| for l2; lambda is the root
    of a concave piecewise linear function, found by Newton's method from the left instead of by sorting.

    Args:
        t: (N, D) points in [0, 1].
        w, b: (N, D) and (N,), the plane.
        norm: linf or l2, the norm of d.

    Returns:
        (N, D).
    """
    excess = (w * t).sum(1, keepdim=True) - b[:, None]
    w = torch.where(excess >= 0, w, -w)
    excess = excess.abs()
    size = w.abs()
    room = torch.where(w > 0, t, 1 - t)
    if norm == "linf":
        weight, cap = size, room
    else:
        size = size * (size > SMALL)
        weight, cap = size * size, room / size.clamp_min(SMALL)
    shift = torch.minimum(_solve(weight, cap, excess), cap)
    return -(shift * (w.sign() if norm == "linf" else torch.where(size > 0, w, 0)))


def _solve(weight: Tensor, cap: Tensor, excess: Tensor) -> Tensor:
    """(N, 1) lambda with sum of weight * min(lambda, cap) = excess, or past every cap where there is none."""
    root = excess / weight.sum(1, keepdim=True).clamp_min(1e-30)
    for _ in range(STEPS):
        free = weight * (cap > root)
        slope = free.sum(1, keepdim=True)
        used = ((weight - free) * cap).sum(1, keepdim=True)
        new = torch.where(slope > 0, (excess - used) / slope, torch.inf)
        new = torch.maximum(new, root)
        if not root.is_cuda and torch.equal(new, root):
            break
        root = new
    return root
