"""Hyper-parameters of a purifier before a frozen classifier, what AToP (arXiv 2401.16352) starts from."""

from typing import Literal

from redoubt.defenses.parameters.base import Parameters
from redoubt.params import hyper

CODE = "authors' code: Finetuning-AToP notebooks"


class PipelineParams(Parameters):
    """What stands before the classifier."""

    purifier: Literal["inpainter", "mae"] = hyper("inpainter", "paper: the GAN purifier has the best results")
    size: Literal["auto", "full", "medium", "small"] = hyper(
        "auto", "ours: the released networks need 128 pixels or more; smaller siblings below"
    )
    transform: Literal["none", "rt1", "rt2", "rt3"] = hyper("rt2", "paper: the headline's transform")
    missing: float = hyper(0.25, f"{CODE} (16 of 64 cells)", ge=0, le=1)
    noise: float = hyper(0.25, f"{CODE} (standard deviation in [0, 1])", ge=0)
    parts: int = hyper(4, "authors' code: evaluate.ipynb, num_of_mask", ge=1, le=64)
    deployed_transform: Literal["as_trained", "none", "rt1", "rt2", "rt3"] = hyper(
        "as_trained", "ours: what is trained is deployed"
    )
    deployed_masks: Literal["image", "batch", "fixed"] = hyper(
        "image", "ours: strictly more random than the code's one mask a batch"
    )
    deployed_range: Literal["rescaled", "as_released"] = hyper(
        "rescaled",
        "authors' code: training notebooks (2x - 1); evaluate.ipynb feeds [0, 1] to the same g (as_released)",
    )


class PurifierParams(PipelineParams):
    """Hyper-parameters of L_org."""

    starts_from = "standard"

    masks: Literal["image", "batch"] = hyper("batch", f"{CODE} (one mask a batch)")
    reconstruction: Literal["l1", "l2"] = hyper("l1", "paper: L_df, for the GAN purifier")
    weight: float = hyper(1.0, f"{CODE} (both terms have weight 1)", ge=0)
    gan: Literal["both", "discriminator_only", "none"] = hyper(
        "both", "paper: L_df; the released code detaches the generator's images (discriminator_only)"
    )
    gan_weight: float = hyper(1.0, f"{CODE} (both terms have weight 1)", ge=0)
    betas: tuple[float, float] = hyper((0.5, 0.999), "authors' code: configs/train.yaml (Adam)")
