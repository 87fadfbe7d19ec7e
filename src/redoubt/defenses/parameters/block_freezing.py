"""Hyper-parameters of the layer study of CURE (arXiv 2401.14948, section 3 and appendix G)."""

from typing import Annotated, Literal

from pydantic import Field

from redoubt.defenses.parameters.pgd_at import PgdAtParams
from redoubt.params import hyper


class BlockFreezingParams(PgdAtParams):
    """Hyper-parameters of the layer study."""

    starts_from = "standard"

    steps: int = hyper(10, "paper: F.1 (PGD-10)", ge=1)
    start: Literal["uniform", "normal"] = hyper(
        "normal", "authors' code: adversarial_loss.py 310 (madry_loss: x + 0.001 n)"
    )
    update: Annotated[tuple[str, ...], Field(min_length=1)] = hyper(
        ("block2", "block3"), "paper: section 3, U-23 has the best balance"
    )
    never_frozen: tuple[str, ...] = hyper(("stem",), "authors' code: reinit_util.py leaves the stem trained")
    reinitialized: bool = hyper(True, "paper: section 3; figure 11 repeats the study without")
