"""What hyper-parameters of defenses share: where a training starts, and the attack inside of it."""

from typing import ClassVar

from redoubt.params import Strict, hyper


class Parameters(Strict):
    """The hyper-parameters of one defense, each a `hyper`.

    Attributes:
        starts_from: the defense, or `defense/variant`, whose checkpoint a training begins with.
        trained: False where the weights are fetched.
    """

    starts_from: ClassVar[str | None] = None
    trained: ClassVar[bool] = True


class InnerAttack(Parameters):
    """The PGD inside training (Madry et al. 2018, section 4), shared by the adversarial losses."""

    steps: int = hyper(10, "paper: TRADES and MART section 5 (PGD-10); Madry et al. use 7", ge=1)
    step_size: float = hyper(0.25, "ours: 2/255 at 8/255, as a share of the radius", gt=0)
