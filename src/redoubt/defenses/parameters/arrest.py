"""Hyper-parameters of ARREST (arXiv 2308.16454)."""

from typing import Literal

from redoubt.defenses.parameters.vaft import VaftParams
from redoubt.params import hyper

CODE = "AFD authors' code: ARREST.py"


class ArrestParams(VaftParams):
    """Hyper-parameters of ARREST."""

    lam: float = hyper(50.0, f"{CODE} (beta 50); 0 switches RGKD off", ge=0)
    theta: float | None = hyper(30.0, f"{CODE} (degrees); null switches NR off", ge=0, le=180)
    replayed: float = hyper(0.5, f"{CODE} (NR in epochs 1-10 of 20), a share of the epochs", ge=0, le=1)
    teacher: Literal["batch", "running"] = hyper(
        "batch", f"{CODE} 372 (model_nat is never put in eval mode): whose statistics its batch norms use"
    )
