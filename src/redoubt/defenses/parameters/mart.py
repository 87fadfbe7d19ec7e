"""Hyper-parameters of MART (ICLR 2020)."""

from redoubt.defenses.parameters.base import InnerAttack
from redoubt.params import hyper


class MartParams(InnerAttack):
    """Hyper-parameters of MART."""

    weight: float = hyper(5.0, "paper: section 4.1 (lambda = 5)", ge=0)
    noise: float = hyper(0.001, "authors' code: mart.py, normal start around x", ge=0)
    radius: float = hyper(
        1.0, "ours: the study's radius; 0.031 for 8/255 in the authors' code is 0.988125", gt=0
    )
    step_size: float = hyper(
        0.007 / 0.031, "authors' code: train_resnet.py (0.007 at 0.031), as a share of the radius", gt=0
    )
