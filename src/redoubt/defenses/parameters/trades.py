"""Hyper-parameters of TRADES (arXiv 1901.08573)."""

from redoubt.defenses.parameters.base import InnerAttack
from redoubt.params import hyper

SCRIPT = "authors' code: train_trades_cifar10.py"


class TradesParams(InnerAttack):
    """Hyper-parameters of TRADES."""

    beta: float = hyper(6.0, "paper: table 4 (1/lambda = 6)", ge=0)
    noise: float = hyper(0.001, "authors' code: trades.py, normal start around x", ge=0)
    radius: float = hyper(
        1.0, "ours: the study's radius; 0.031 for 8/255 in the authors' code is 0.988125", gt=0
    )
    step_size: float = hyper(0.007 / 0.031, f"{SCRIPT} (0.007 at 0.031), as a share of the radius", gt=0)
