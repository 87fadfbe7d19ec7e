"""Hyper-parameters of AFD (arXiv 2401.14707)."""

from typing import Literal

from pydantic import model_validator

from redoubt.defenses.parameters.vaft import VaftParams
from redoubt.params import hyper

CODE = "authors' code: tl+sl.py"


class AfdParams(VaftParams):
    """Hyper-parameters of AFD."""

    step_size: float = hyper(0.223125, f"{CODE} (0.007 at 8/255), as a share of the radius", gt=0)
    alpha: float = hyper(0.05, f"{CODE} and README: weight of L_1", ge=0)
    beta: float = hyper(0.25, f"{CODE} (there sigma) and README: weight of L_2", ge=0)
    gamma: float = hyper(25.0, f"{CODE} and README: weight of the alignment in L_3", ge=0)
    update: Literal["released", "single_graph", "double"] = hyper(
        "released",
        f"{CODE} 215-264 (three steps a batch on one graph); single_graph and double are one step",
    )
    trains_head: bool = hyper(
        False,
        "ours, of single_graph: the paper gives L_1 to D_2 alone; in the authors' code it reaches w and b too",
    )
    stop_gradient: bool = hyper(True, f"{CODE}: f_2 takes g(x_adv) detached")
    disentangler: Literal["linear", "mlp", "none"] = hyper(
        "linear", f"{CODE}: square matrices without bias, the identity at first"
    )
    aligns_with: Literal["natural", "adversarial"] = hyper(
        "natural", f"{CODE}: the natural network sees x, not x_adv"
    )

    @model_validator(mode="after")
    def _nothing_to_disentangle(self):
        if self.disentangler == "none" and (self.alpha or self.beta):
            raise ValueError("without disentanglers alpha and beta must be 0")
        return self
