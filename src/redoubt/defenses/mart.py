"""MART: Wang, Zou, Yi, Bailey, Ma, Gu, ICLR 2020, "Improving adversarial robustness requires revisiting
misclassified examples"."""

import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.core.pgd_step import normal_start
from redoubt.defenses.base import Batch, Defense, State
from redoubt.defenses.parameters.mart import MartParams
from redoubt.models.base import Classifier

# The constants of the authors' mart.py (49, 55, 56), which keep logarithms finite and let certain examples count.
TINY, SMALL, SURE = 1e-12, 1e-4, 1e-7


def boosted_ce(logits: Tensor, y: Tensor) -> Tensor:
    """BCE of equation 8, (N,): -log p_y - log(1 - max over k != y of p_k)."""
    p = logits.softmax(1)
    runner_up = p.scatter(1, y[:, None], 0).amax(1)
    return F.cross_entropy(logits, y, reduction="none") - (1 + SMALL - runner_up + TINY).log()


class Mart(Defense[Classifier]):
    """min E[ BCE(p(x'), y) + lambda * KL(p(x) || p(x')) * (1 - p_y(x)) ], equation 11."""

    paper = "MART (ICLR 2020)"

    Params = MartParams
    params: MartParams

    def loss(self, batch: Batch, state: State):
        p, model, y = self.params, state.model, batch.y
        start = normal_start(batch.x, p.noise, state.generator)
        ce = lambda z: F.cross_entropy(model(z), y, reduction="none")
        x_adv = self.perturb(model, batch, state, ce, start, radius=p.radius)
        natural, adversarial = model(batch.x).log_softmax(1), model(x_adv)
        log_q = (adversarial.softmax(1) + TINY).log()
        divergence = (natural.exp() * (natural - log_q)).sum(1)
        p_y = natural.exp().gather(1, y[:, None])[:, 0]
        aligned = (divergence * (1 + SURE - p_y)).mean()
        bce = boosted_ce(adversarial, y).mean()
        return bce + p.weight * aligned, {"bce": bce.detach(), "aligned": aligned.detach()}
