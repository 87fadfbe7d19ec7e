"""AToP, adversarial training on purification: Lin, Li, Zhang, Tanaka, Zhao, ICLR 2024 (arXiv 2401.16352).

A purifier g before a frozen classifier f is fine-tuned so that f recognises what g makes of adversarial images. The
paper as its authors explain it and the code that they released differ in places; each is a value of a
hyper-parameter. Defaults follow the released step, except that the discriminator's gradient reaches g.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.defenses.base import Batch, State, hyper
from redoubt.defenses.purifier import (
    CODE,
    BehindPurifier,
    Guarded,
    PipelineParams,
    Purifier,
    PurifierParams,
    take,
)
from redoubt.models.purified import pixels


class AtopParams(PurifierParams):
    """Hyper-parameters of the fine-tuning."""

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


class Atop(Purifier):
    """min over g of L_org + lam CE(y, f(g(t(x'))))."""

    Params = AtopParams
    params: AtopParams
    starts_from = "purifier"

    def adversary(self, batch: Batch, state: State[Guarded]) -> Tensor:
        """x' (N, C, H, W), detached: from x, without a random start."""
        model, stage = state.model, self.training_stage(state.model)

        def objective(z: Tensor) -> Tensor:
            seen = stage(z, state.generator) if self.params.attacked == "pipeline" else z
            return F.cross_entropy(model.classifier(seen), batch.y, reduction="none")

        return self.perturb(model, batch, state, objective, start=batch.x)

    def step(self, batch: Batch, state: State[Guarded]) -> dict[str, Tensor]:
        """One draw serves all images of a step, as in the released code."""
        p, stage = self.params, self.training_stage(state.model)
        x, x_adv = batch.x, self.adversary(batch, state)
        real, given = {
            "adversarial": (x_adv, x_adv),
            "natural": (x, x),
            "natural_of_adversarial": (x, x_adv),
        }[p.target]
        draw = p.trained().draw(x, state.generator)
        images, hole = stage.restore(given, draw)
        more = {}
        if p.lam and state.epoch >= p.pretraining * state.epochs:
            shown = x_adv if p.classified == "adversarial" else x
            seen = images[-1] if shown is given else stage.restore(shown, draw)[0][-1]
            if p.classifier_range == "pixels":
                seen = pixels(seen)
            more["classification"] = p.lam * F.cross_entropy(state.model.classifier(seen), batch.y)
        return self.update(2 * real - 1, images, hole, more, state)


class AtopTransfer(BehindPurifier):
    """A purifier that was tuned with one classifier, before another one that neither of them has seen.

    The run trains that classifier, on natural images and without the purifier, and deploys both.
    """

    Params = PipelineParams
    starts_from = "atop"
    selects_on = "clean"

    def build(self) -> Guarded:
        return Guarded(self.classifier(), self.purifier(), trained="classifier")

    def initialize(self, model: Guarded, source: nn.Module) -> None:
        take(model, source, classifier=False)

    def optimizers(self, model: Guarded, make) -> dict[str, torch.optim.Optimizer]:
        return {"classifier": make(list(model.classifier.parameters()))}

    def loss(self, batch: Batch, state: State[Guarded]):
        return F.cross_entropy(state.model.classifier(batch.x), batch.y), {}
