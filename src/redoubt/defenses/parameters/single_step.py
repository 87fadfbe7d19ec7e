"""Hyper-parameters of FGSM-RS (arXiv 2001.03994) and N-FGSM (arXiv 2202.01181)."""

from typing import Literal

from redoubt.defenses.parameters.uiat import InverseParams
from redoubt.params import hyper


class SingleStepParams(InverseParams):
    """Hyper-parameters of single-step training; lengths are shares of the radius."""

    lam: float = hyper(0.0, "ours: the method alone; 3.5 joins UIAT's alignment to it", ge=0)
    noise: float = hyper(1.0, "paper: the start is uniform in the ball", ge=0)
    step_size: float = hyper(1.0, "paper: one step as long as the radius", gt=0)
    mode: Literal["eval", "train"] = hyper(
        "train", "authors' code: fast_adversarial, train_fgsm.py 73 and 112; N-FGSM, train.py 173 and 224"
    )


class FgsmRsParams(SingleStepParams):
    """Hyper-parameters of FGSM-RS."""

    step_size: float = hyper(1.25, "paper: Wong et al. 2020, section 5 (1.25 eps)", gt=0)


class NFgsmParams(SingleStepParams):
    """Hyper-parameters of N-FGSM."""

    noise: float = hyper(2.0, "paper: de Jorge et al. 2022 (noise of 2 eps)", ge=0)
