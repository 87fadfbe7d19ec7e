"""The last step of every attack: a fresh float32 prediction decides, and what left the ball is refused."""

import torch
from torch import Tensor

from redoubt.attacks.engine import AttackResult, Counted, distance
from redoubt.errors import RedoubtError

SLACK = 1e-5  # float32 rounding of x + delta, in pixels


def predictions(model: Counted, x: Tensor, batch_size: int) -> Tensor:
    """(N,) predicted classes.

    Raises:
        RedoubtError: a logit is NaN, which would count as a wrong answer and hide a broken model.
    """
    found = []
    with torch.no_grad():
        for part in x.split(batch_size):
            logits = model(part)
            if torch.isnan(logits).any():
                raise RedoubtError(
                    "the model returns NaN logits: its robustness cannot be measured",
                    value=f"{int(torch.isnan(logits).any(1).sum())} of {len(part)} images of a batch",
                )
            found.append(logits.argmax(1))
    return torch.cat(found) if found else torch.empty(0, dtype=torch.long, device=x.device)


def finish(model: Counted, x_adv: Tensor, x: Tensor, y: Tensor, eps: float, norm: str, batch_size: int, **info):
    """The result of an attack that may move x by at most eps.

    Raises:
        RedoubtError: a perturbed image left [0, 1] or the ball, or a logit is NaN.
    """
    if len(x):
        largest = distance(x_adv, x, norm).max().item()
        if x_adv.min() < 0 or x_adv.max() > 1 or largest > eps + SLACK:
            raise RedoubtError(
                "the attack left what it may change", value=f"distance {largest:.6g}", allowed=f"up to {eps} in [0, 1]"
            )
    correct = predictions(model, x_adv, batch_size) == y
    return AttackResult(x_adv.detach(), correct, model.forward, model.backward, model.calls, info)
