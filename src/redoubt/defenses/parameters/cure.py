"""Hyper-parameters of CURE (arXiv 2401.14948)."""

from typing import ClassVar, Literal

from redoubt.defenses.parameters.base import InnerAttack
from redoubt.params import hyper


class CureParams(InnerAttack):
    """Hyper-parameters of CURE."""

    starts_from: ClassVar[str | None] = "standard"

    p: float = hyper(0.3, "paper: table 9, ResNet-18 (30 %); the share of weights conserved", ge=0, lt=1)
    alpha: float = hyper(0.1, "paper: table 9, ResNet-18 on CIFAR", ge=0, le=1)
    gamma: float = hyper(1.0, "paper: table 9, ResNet-18; of kl", ge=0)
    consistency: tuple[Literal["kl", "l2", "at", "fitnet"], ...] = hyper(
        ("kl",), "paper: equation 8; authors' code: aux_loss_type, default kl"
    )
    gamma_l2: float = hyper(1.0, "authors' code: args.py, aux_loss_wt_l21; of l2", ge=0)
    gamma_at: float = hyper(0.0, "authors' code: args.py, aux_loss_wt_at1; of at and fitnet", ge=0)
    attacked: Literal["kl", "algorithm_1"] = hyper(
        "kl", "paper: equation 4 and authors' code; algorithm 1, line 4, has CE(x') + alpha KL"
    )
    beta: float = hyper(
        1.0, "paper: equation 5 (the KL term has no weight); authors' code defaults to 5", ge=0
    )
    score: Literal["equation_6", "code", "code_old", "code_soft", "code_soft_all", "random"] = hyper(
        "equation_6",
        "paper: equation 6; the code's are its modes rgp, rgp_old, rgp_soft, and rgp_soft with grad_mode all",
    )
    scope: Literal["tensor", "global"] = hyper("tensor", "paper: algorithm 1 (for each layer)")
    masked: Literal["all", "first_convolutions"] = hyper(
        "all",
        "authors' code: all but the head; its mode rgp_soft masks conv1 of every block, not the stem",
    )
    conservation: Literal["gradient", "strict"] = hyper(
        "gradient", "paper: algorithm 1 and authors' code (momentum and weight decay still act)"
    )
    r: float = hyper(0.2, "paper: table 9", ge=0, le=1)
    d: float = hyper(0.999, "paper: table 9", ge=0, lt=1)
    r_decay: Literal["none", "second_half", "halved"] = hyper(
        "none",
        "authors' code: ema_dynamic is off; on, it is halved (train.py 176); the paper's (F.1) has no schedule",
    )
    noise: float = hyper(0.001, "authors' code: adversarial_loss.py, normal start around x", ge=0)
    deploys: Literal["theta", "theta_rev"] = hyper("theta", "OpenReview: evaluation uses theta")
