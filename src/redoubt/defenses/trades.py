"""TRADES: Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan, ICML 2019 (arXiv 1901.08573)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.core.engine import evaluating
from redoubt.attacks.core.pgd_step import normal_start
from redoubt.defenses.base import Batch, Defense, InnerAttack, State, hyper
from redoubt.models.base import Classifier

SCRIPT = "authors' code: train_trades_cifar10.py"


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
        radius: float = hyper(
            1.0, "ours: the study's radius; 0.031 for 8/255 in the authors' code is 0.988125", gt=0
        )
        step_size: float = hyper(0.007 / 0.031, f"{SCRIPT} (0.007 at 0.031), as a share of the radius", gt=0)

    params: Params

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
