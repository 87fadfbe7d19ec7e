"""AToP, adversarial training on purification: Lin, Li, Zhang, Tanaka, Zhao, ICLR 2024 (arXiv 2401.16352).

A purifier g before a frozen classifier f is fine-tuned so that f recognises what g makes of adversarial images. The
paper as its authors explain it and the code that they released differ in places; each is a value of a
hyper-parameter. Defaults follow the released step, except that the discriminator's gradient reaches g.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.defenses.base import Batch, State
from redoubt.defenses.parameters.atop import AtopParams, AtopTransferParams
from redoubt.defenses.purifier import (
    BehindPurifier,
    Guarded,
    Purifier,
    take,
    trained,
)
from redoubt.models.purified import pixels


class Atop(Purifier):
    """min over g of L_org + lam CE(y, f(g(t(x'))))."""

    Params = AtopParams
    params: AtopParams

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
        draw = trained(p).draw(x, state.generator)
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

    Params = AtopTransferParams
    selects_on = "clean"

    def build(self) -> Guarded:
        return Guarded(self.classifier(), self.purifier(), trained="classifier")

    def initialize(self, model: Guarded, source: nn.Module) -> None:
        take(model, source, classifier=False)

    def optimizers(self, model: Guarded, make) -> dict[str, torch.optim.Optimizer]:
        return {"classifier": make(list(model.classifier.parameters()))}

    def loss(self, batch: Batch, state: State[Guarded]):
        return F.cross_entropy(state.model.classifier(batch.x), batch.y), {}
