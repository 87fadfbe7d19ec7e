"""Worked example of a defense's hyper-parameters: every one states its source, a paper, the authors' code, or `ours`
with the reason."""

from redoubt.defenses.parameters.base import InnerAttack
from redoubt.params import hyper


class SmoothedAtParams(InnerAttack):
    """Hyper-parameters of the worked example; `InnerAttack` adds those of its PGD."""

    smoothing: float = hyper(0.1, "paper: section 7 (0.1 on ImageNet)", ge=0, lt=1)
