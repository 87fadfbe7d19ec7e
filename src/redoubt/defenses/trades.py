"""TRADES: Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan, ICML 2019 (arXiv 1901.08573)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.defenses.base import Batch, Defense, InnerAttack, State, hyper
from redoubt.models.base import Classifier


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) of each example, (N,), from log-probabilities (N, K)."""
    return (log_p.exp() * (log_p - log_q)).sum(1)


class Trades(Defense[Classifier]):
    """min E[ CE(f(x), y) + beta * max over x' of KL(f(x) || f(x')) ], equation 5 with beta = 1/lambda."""

    paper = "1901.08573"

    class Params(InnerAttack):
        """Hyper-parameters of TRADES."""

        beta: float = hyper(6.0, "paper: table 4 (1/lambda = 6)", ge=0)
        noise: float = hyper(0.001, "authors' code: trades.py, normal start around x", ge=0)

    params: Params

    def loss(self, batch: Batch, state: State):
        model, x = state.model, batch.x
        noise = torch.empty_like(x).normal_(generator=state.generator)
        # The start keeps inside the ball, which a warm-up makes smaller than the noise at first.
        start = (x + (self.params.noise * noise).clamp(-self.eps, self.eps)).clamp(0, 1)
        was_training = model.training
        model.eval()
        with torch.no_grad():
            log_p = model(x).log_softmax(1)
        model.train(was_training)
        x_adv = self.perturb(model, batch, state, lambda z: kl(log_p, model(z).log_softmax(1)), start)
        natural = model(x)
        boundary = kl(natural.log_softmax(1), model(x_adv).log_softmax(1)).mean()
        ce = F.cross_entropy(natural, batch.y)
        return ce + self.params.beta * boundary, {"natural": ce.detach(), "boundary": boundary.detach()}
