"""TRADES: Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan, ICML 2019 (arXiv 1901.08573)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.core.engine import evaluating
from redoubt.attacks.core.pgd_step import normal_start
from redoubt.defenses.base import Batch, Defense, State
from redoubt.defenses.parameters.trades import TradesParams
from redoubt.models.base import Classifier


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) of each example, (N,), from log-probabilities (N, K)."""
    return (log_p.exp() * (log_p - log_q)).sum(1)


class Trades(Defense[Classifier]):
    """min E[ CE(f(x), y) + beta * max over x' of KL(f(x) || f(x')) ], equation 5 with beta = 1/lambda."""

    paper = "1901.08573"

    Params = TradesParams
    params: TradesParams

    def loss(self, batch: Batch, state: State):
        p, model, x = self.params, state.model, batch.x
        start = normal_start(x, p.noise, state.generator)
        with evaluating(model), torch.no_grad():
            log_p = model(x).log_softmax(1)
        divergence = lambda z: kl(log_p, model(z).log_softmax(1))
        x_adv = self.perturb(model, batch, state, divergence, start, radius=p.radius)
        # trades.py 79-82: natural images pass twice in train mode, before and after the adversarial ones.
        ce = F.cross_entropy(model(x), batch.y)
        log_q = model(x_adv).log_softmax(1)
        boundary = kl(model(x).log_softmax(1), log_q).mean()
        return ce + p.beta * boundary, {"natural": ce.detach(), "boundary": boundary.detach()}
