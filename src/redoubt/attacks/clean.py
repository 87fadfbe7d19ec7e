"""No attack: the images as they are, so that clean accuracy is measured and recorded like any other."""

from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Counted, Model
from redoubt.attacks.core.entry_exit import attack, finish


@attack("linf", "l2", covers=True)
def none(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float = 0.0,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
) -> AttackResult:
    """The prediction on x (N, C, H, W), whatever the radius."""
    return finish(Counted(model), x, x, y, eps, norm, batch_size, seed=seed)
