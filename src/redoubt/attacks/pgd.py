"""PGD (Madry et al. 2018): projected gradient ascent from random starts, on the examples that still stand."""

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.engine import AttackResult, Counted, Model, check_input, frozen
from redoubt.attacks.finish import finish, predictions
from redoubt.attacks.projected import random_start, step
from redoubt.errors import RedoubtError, nearest


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """(N,) best wrong logit minus the true one: positive where the example is misclassified."""
    true = logits.gather(1, y[:, None])
    return (logits.scatter(1, y[:, None], -torch.inf).amax(1, keepdim=True) - true)[:, 0]


LOSSES = {"ce": lambda logits, y: F.cross_entropy(logits, y, reduction="none"), "margin": margin}


def pgd(
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
    restarts: int = 1,
    loss: str = "ce",
) -> AttackResult:
    """PGD-`steps`; an example leaves as soon as one iterate is misclassified.

    Starts are drawn for the whole set at once, so the answer does not depend on the batch size.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps, step_size: in pixels of the norm; the default step is 2.5 eps / steps (Madry et al.).
        restarts: random starts; each only attacks what still stands.
        loss: ce, or margin (the loss that C&W-style PGD ascends).

    Raises:
        RedoubtError: see `engine.check_input`; an unknown loss; NaN logits.
    """
    check_input(model, x, y, eps, norm)
    if loss not in LOSSES:
        raise RedoubtError("unknown loss", value=loss, allowed=LOSSES, nearest=nearest(loss, LOSSES))
    size = 2.5 * eps / steps if step_size is None else step_size
    counted, x_adv = Counted(model), x.clone()
    draws = torch.Generator(device=x.device).manual_seed(seed)
    with frozen(model):
        standing = (predictions(counted, x, batch_size) == y).nonzero()[:, 0]
        for _ in range(restarts if eps > 0 else 0):
            start = random_start(x, norm, eps, draws)
            left = []
            for index in standing.split(batch_size):
                found, broken = _restart(counted, x[index], y[index], start[index], norm, eps, size, steps, LOSSES[loss])
                x_adv[index] = found
                left.append(index[~broken])
            standing = torch.cat(left) if left else standing
    return finish(counted, x_adv, x, y, eps, norm, batch_size)


def _restart(model: Counted, x, y, z, norm, eps, size, steps, loss) -> tuple[Tensor, Tensor]:
    """The misclassified iterate of each example, or its last one, and which examples broke."""
    result, broken = z.clone(), torch.zeros(len(x), dtype=torch.bool, device=x.device)
    active = torch.arange(len(x), device=x.device)
    for i in range(steps + 1):
        if i < steps:
            _, gradient, logits = model.value_and_gradient(lambda o: loss(o, y[active]), z)
        else:
            with torch.no_grad():
                logits = model(z)
        fooled = logits.argmax(1) != y[active]
        result[active] = z
        broken[active[fooled]] = True
        if i == steps:
            break
        keep = ~fooled
        active = active[keep]
        if not len(active):
            break
        z = step(z[keep], gradient[keep], x[active], norm, eps, size)
    return result, broken
