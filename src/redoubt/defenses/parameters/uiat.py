"""Hyper-parameters of UIAT, inverse adversaries (arXiv 2211.00525)."""

from typing import Literal

from pydantic import model_validator

from redoubt.defenses.parameters.base import InnerAttack, Parameters
from redoubt.params import hyper

THIRD_PARTY = "third party: AdverRobust at 463f070, utils_train_baseline.py"


class InverseParams(Parameters):
    """Hyper-parameters of the alignment with inverse adversaries, whatever the outer attack is."""

    lam: float = hyper(3.5, f"{THIRD_PARTY} (weight 3.5); unverified for the paper", ge=0)
    perturbation: Literal["natural", "instance", "class", "all"] = hyper(
        "class", "paper: summary of the method, class-specific universal inverse perturbations (UIAT)"
    )
    eps_inv: float = hyper(0.5, "ours: 4/255 at 8/255, as a share of the radius", ge=0)
    step_inv: float = hyper(0.25, f"{THIRD_PARTY} (2/255 at 8/255), as a share of the radius", gt=0)
    steps_inv: int = hyper(10, f"{THIRD_PARTY} (10 steps); instance-wise only", ge=1)
    regularizer: Literal["none", "prob_kl", "feat_l2"] = hyper("prob_kl", f"{THIRD_PARTY} (on outputs)")
    weight: float = hyper(1.0, f"{THIRD_PARTY} (both terms have weight 1)", ge=0)
    momentum: float = hyper(
        0.9, "ours: the paper's momentum over predictions has no public value", ge=0, lt=1
    )
    momentum_of: Literal["image", "class"] = hyper(
        "image", "ours: the paper does not say in public whether each image or each class has one"
    )
    direction: Literal["target_first", "adversarial_first"] = hyper(
        "target_first", "ours: a stored target teaches, so it is detached and stands first"
    )
    one_off: float | None = hyper(
        None, "paper: summary; the timing is studied there, no value known", ge=0, lt=1
    )
    before: Literal["none", "natural"] = hyper("none", "ours: no alignment until the perturbations exist")
    mode_inv: Literal["eval", "train"] = hyper(
        "eval", f"ours: the inverse attack moves no statistics; train in {THIRD_PARTY} 177-189"
    )

    @model_validator(mode="after")
    def _kept(self) -> "InverseParams":
        if self.one_off is not None and self.perturbation not in ("class", "all"):
            raise ValueError("one_off freezes universal perturbations: perturbation must be class or all")
        return self


class UiatParams(InverseParams, InnerAttack):
    """Hyper-parameters of UIAT."""

    mode: Literal["eval", "train"] = hyper(
        "eval", f"ours: the outer attack moves no statistics; train in {THIRD_PARTY} 20-35 and 197"
    )
    last_pass: bool = hyper(
        False, f"ours: none; {THIRD_PARTY} 219 logs by a pass of x_adv in train mode after the update"
    )
