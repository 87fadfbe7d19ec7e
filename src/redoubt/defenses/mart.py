"""MART: Wang, Zou, Yi, Bailey, Ma, Gu, ICLR 2020, "Improving adversarial robustness requires revisiting
misclassified examples"."""

import torch.nn.functional as F
from torch import Tensor

from redoubt.defenses.base import Batch, Defense, InnerAttack, State, hyper
from redoubt.defenses.trades import kl
from redoubt.models.base import Classifier

TINY = 1e-4  # keeps log(1 - p) finite, as in the authors' code


def boosted_ce(logits: Tensor, y: Tensor) -> Tensor:
    """BCE of equation 8, (N,): -log p_y - log(1 - max over k != y of p_k)."""
    p = logits.softmax(1)
    runner_up = p.scatter(1, y[:, None], 0).amax(1)
    return F.cross_entropy(logits, y, reduction="none") - (1 - runner_up + TINY).log()


class Mart(Defense[Classifier]):
    """min E[ BCE(p(x'), y) + lambda * KL(p(x) || p(x')) * (1 - p_y(x)) ], equation 11."""

    paper = "MART (ICLR 2020)"

    class Params(InnerAttack):
        """Hyper-parameters of MART."""

        weight: float = hyper(5.0, "paper: section 4.1 (lambda = 5)", ge=0)

    params: Params

    def loss(self, batch: Batch, state: State):
        model, y = state.model, batch.y
        x_adv = self.perturb(model, batch, state, lambda z: F.cross_entropy(model(z), y, reduction="none"))
        natural, adversarial = model(batch.x).log_softmax(1), model(x_adv)
        p_y = natural.exp().gather(1, y[:, None])[:, 0]
        aligned = (kl(natural, adversarial.log_softmax(1)) * (1 - p_y)).mean()
        bce = boosted_ce(adversarial, y).mean()
        return bce + self.params.weight * aligned, {"bce": bce.detach(), "aligned": aligned.detach()}
