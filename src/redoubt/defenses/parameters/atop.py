"""Hyper-parameters of AToP (arXiv 2401.16352)."""

from typing import Literal

from redoubt.defenses.parameters.purifier import CODE, PipelineParams, PurifierParams
from redoubt.params import hyper


class AtopParams(PurifierParams):
    """Hyper-parameters of the fine-tuning."""

    starts_from = "purifier"

    lam: float = hyper(0.05, f"{CODE} (CIFAR-10; 0.1 on ImageNette and with natural images)", ge=0)
    classified: Literal["adversarial", "natural"] = hyper(
        "adversarial", "paper: the max of equation 9; `natural` is the code's control"
    )
    attacked: Literal["classifier", "pipeline"] = hyper(
        "classifier", f"{CODE}; the paper's maximum runs through the whole pipeline (pipeline)"
    )
    steps: int = hyper(1, f"{CODE} (FGSM)", ge=1)
    step_size: float = hyper(1.0, f"{CODE} (FGSM), as a share of the radius", gt=0)
    target: Literal["adversarial", "natural", "natural_of_adversarial"] = hyper(
        "adversarial",
        "OpenReview A1.2: all of L_org on x'; equation 8 and the logged notebook have x (natural); the authors "
        "argue against x restored from x'",
    )
    pretraining: float = hyper(
        0.032, f"{CODE} (no classification in 2 of 63 epochs), a share of the epochs", ge=0, le=1
    )
    classifier_range: Literal["pixels", "as_released"] = hyper(
        "pixels", "authors' code: evaluate.ipynb; its training notebooks forget to rescale [-1, 1]"
    )


class AtopTransferParams(PipelineParams):
    """Hyper-parameters of a purifier before a classifier that it has not seen."""

    starts_from = "atop"
