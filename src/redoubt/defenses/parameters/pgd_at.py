"""Hyper-parameters of PGD adversarial training (arXiv 1706.06083)."""

from typing import Literal

from redoubt.defenses.parameters.base import InnerAttack
from redoubt.params import hyper


class PgdAtParams(InnerAttack):
    """Hyper-parameters of PGD-AT."""

    steps: int = hyper(7, "paper: section 5, CIFAR-10 (7 steps of 2/255)", ge=1)
    mode: Literal["eval", "train"] = hyper(
        "eval", "ours: as TRADES and MART; train in the code of Rice et al. 2020, train_cifar.py 294-316"
    )
    start: Literal["uniform", "normal"] = hyper(
        "uniform", "paper: section 4 (a random point of the ball); CURE's madry_loss starts near x"
    )
    noise: float = hyper(
        0.001, "CURE authors' code: adversarial_loss.py 310; of the normal start around x", ge=0
    )
