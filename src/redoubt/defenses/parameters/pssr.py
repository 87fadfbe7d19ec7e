"""Hyper-parameters of PSSR (arXiv 2402.00304) and its pixel surgery."""

from typing import Literal

from redoubt.defenses.parameters.base import InnerAttack, Parameters
from redoubt.params import hyper

DESIGN = "ours: re-design, not stated in what is public of the paper"


class SurgeryParams(Parameters):
    """What is removed: the fields of `pixel_surgery.Rule`."""

    kept: Literal["trivial", "salient", "random", "all"] = hyper(
        "trivial", "paper: section 3.1 (salient pixels are removed)"
    )
    score: Literal["probability", "logit"] = hyper("probability", "paper: section 3.1 (dP/dx)")
    sign: Literal["absolute", "signed"] = hyper(
        "absolute", "ours: the mean of signed gradients is near 0, half of all pixels would go"
    )
    channels: Literal["largest", "each"] = hyper("largest", "ours: the paper's mask has indices (i, j)")
    threshold: Literal["mean", "top"] = hyper("mean", "paper: section 3.1 (mean of the saliency map)")
    share: float = hyper(0.3, "ours: for the threshold `top` alone", gt=0, le=1)
    fill: Literal["zero", "mean", "blur"] = hyper("zero", f"{DESIGN}; M * x leaves 0")


class PssrParams(SurgeryParams, InnerAttack):
    """Hyper-parameters of surgery, extrapolator, its three conditions and adversarial R-Drop."""

    starts_from = "standard"

    steps: int = hyper(10, "ours: a quarter of the proxies' 40 steps", ge=1)
    step_size: float = hyper(0.25, "ours: 2/255 at 8/255, as a share of the radius", gt=0)
    seen: Literal["ce", "margin"] = hyper("ce", f"{DESIGN}; PGD as the known attack, proxies ARN and CAFD")
    also_seen: Literal["ce", "margin", "fgsm"] | None = hyper(
        None, f"{DESIGN}; a second known attack as ARN has, whose images G restores too; null: none"
    )
    random_start: bool = hyper(True, "proxy: ARN and CAFD (PGD with a random start)")
    size: Literal["auto", "full", "half", "small"] = hyper("auto", "proxy: CAFD (HGD's denoiser)")
    dropout: float = hyper(0.1, DESIGN, ge=0, lt=1)
    mask_channel: bool = hyper(False, DESIGN)
    c1: float = hyper(5e-3, "proxy: CAFD (weight of the relativistic GAN term)", ge=0)
    residual: Literal["hinge", "relativistic", "identity"] = hyper(
        "hinge",
        f"{DESIGN}; relativistic is CAFD's, identity ARN's attack discriminator (there on features, here on x^)",
    )
    c1_ce: float = hyper(0.0, f"{DESIGN}; CE(f(x^), y) as a part of c1", ge=0)
    c2: float = hyper(1.0, f"{DESIGN}; mean over pixels", ge=0)
    distance: Literal["l1", "l2"] = hyper("l1", DESIGN)
    c3: float = hyper(0.1, f"{DESIGN}; features by their mean square", ge=0)
    ard: Literal["A", "B", "C", "off"] = hyper(
        "A", f"{DESIGN}; A pairs natural and adversarial, B two dropout passes, C two adversarial versions"
    )
    ard_weight: float = hyper(1.0, DESIGN, ge=0)
    alpha: float = hyper(0.3, "authors' code: R-Drop, ViT example", ge=0)
    critic_lr: float = hyper(
        0.1, "ours: ARN's 1e-4 beside CAFD's 1e-3 (each has one rate for both), as a share of the rate", gt=0
    )
    classifier_lr: float = hyper(
        0.0, f"{DESIGN}; f minimizes G's loss too, by this share of the learning rate; 0: f is frozen", ge=0
    )
    classifier_from: float = hyper(
        0.0, f"{DESIGN}; f learns after this share of the epochs, where it learns at all", ge=0, le=1
    )
    betas: tuple[float, float] = hyper((0.5, 0.999), "proxy: ARN, config/adver.yaml; CAFD keeps Adam's")
