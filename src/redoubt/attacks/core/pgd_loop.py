"""One climb inside the ball for a batch of examples: the loop of PGD and of the inverse attack."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from redoubt.attacks.core.engine import Counted
from redoubt.attacks.core.pgd_step import step

Objective = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Ascent:
    """How to climb.

    Attributes:
        eps, norm: the ball.
        steps, step_size: iterations, and their length in pixels of the norm.
        stop: an example leaves at its first success.
        keep_last: return the last iterate instead of the best one. For random models, where the best of many noisy
            losses is a lucky draw.
    """

    eps: float
    norm: str
    steps: int
    step_size: float
    stop: bool = True
    keep_last: bool = False


@dataclass
class _Best:
    """The strongest iterate so far: a success beats any loss, among equals the larger loss wins."""

    points: Tensor
    value: Tensor
    success: Tensor

    def take(self, rows: Tensor, points: Tensor, value: Tensor, success: Tensor, always: bool) -> None:
        before = self.success[rows]
        better = (success & ~before) | ((success == before) & (value >= self.value[rows]))
        if always:
            better = torch.ones_like(better)
        chosen = rows[better]
        self.points[chosen] = points[better]
        self.value[chosen] = value[better]
        self.success[chosen] = success[better]


def climb(
    model: Counted, objective: Objective, success: Objective, x: Tensor, start: Tensor, how: Ascent
) -> tuple[Tensor, Tensor, Tensor]:
    """Projected gradient ascent for each example, started anywhere in its ball.

    One pass gives loss, gradient and logits of an iterate; the last iterate costs one more forward pass. A gradient
    that is not finite counts as 0: the example stays where it is instead of turning into NaN.

    Args:
        objective, success: (logits (M, K), which of the N examples (M,)) -> (M,), float to be maximised and bool.
        x: (N, C, H, W), centres of the balls.
        start: (N, C, H, W), inside them.

    Returns:
        (points (N, C, H, W), their objective (N,), their success (N,)).
    """
    rows, z = torch.arange(len(x), device=x.device), start
    best = _Best(start.clone(), x.new_full((len(x),), -torch.inf), torch.zeros_like(rows, dtype=torch.bool))
    for i in range(how.steps + 1):
        loss = lambda logits, rows=rows: objective(logits, rows)
        if i < how.steps:
            value, gradient, logits = model.value_and_gradient(loss, z)
        else:
            with torch.no_grad():
                logits = model(z)
                value = loss(logits)
        reached = success(logits, rows)
        best.take(rows, z, value, reached, how.keep_last)
        if i == how.steps:
            break
        z = step(z, gradient.nan_to_num(0, 0, 0), x[rows], how.norm, how.eps, how.step_size)
        if how.stop and reached.any():
            rows, z = rows[~reached], z[~reached]
            if not len(rows):
                break
    return best.points, best.value, best.success
