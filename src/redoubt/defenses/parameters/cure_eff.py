"""Hyper-parameters of CURE_Eff, appendix B of CURE (arXiv 2401.14948)."""

from redoubt.defenses.parameters.cure import CureParams
from redoubt.params import hyper


class CureEffParams(CureParams):
    """Hyper-parameters of CURE_Eff."""

    starts_from = None

    switch: float = hyper(
        0.395,
        "authors' code: train_warmup.py 97 (from epoch 80 of 200 on, after 79), a share of the epochs",
        ge=0,
        le=1,
    )
    shared: bool = hyper(
        False,
        "ours: a copy, as in CURE; in the authors' code (train_warmup.py 103-104) the two networks share storage",
    )
