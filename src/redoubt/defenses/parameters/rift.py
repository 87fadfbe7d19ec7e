"""Hyper-parameters of RiFT (arXiv 2308.02533)."""

from typing import Annotated, Literal

from pydantic import Field

from redoubt.defenses.parameters.base import InnerAttack
from redoubt.params import hyper

CODE = "authors' code: robustlearn, RiFT/main.py"


class RiftParams(InnerAttack):
    """Hyper-parameters of RiFT; the attack is that of the criticality."""

    starts_from = "pgd_at"

    module: str = hyper(
        "lowest", "paper: section 3 (lowest MRC); or a name, as in the table of the authors' README"
    )
    radius: float = hyper(0.1, f"{CODE} (epsilon 0.1), a share of the weight's norm", gt=0)
    ascent: int = hyper(10, f"{CODE} (10 passes; here one batch of the training set, not the test set)", ge=1)
    factor: Literal["validation"] | Annotated[float, Field(ge=0, le=1)] = hyper(
        "validation",
        f"{CODE} and README (of 0, 0.1, ..., 1 the highest accuracy without losing much robustness, by hand on "
        "the test set); ours: on validation images; or a number",
    )
    loss_allowed: float = hyper(
        0.0,
        "ours: no robust accuracy lost on validation images; README: 'not drop robustness so much'",
        ge=0,
    )
