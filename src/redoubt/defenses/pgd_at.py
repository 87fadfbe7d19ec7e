"""PGD adversarial training: Madry, Makelov, Schmidt, Tsipras, Vladu, ICLR 2018 (arXiv 1706.06083)."""

from typing import Literal

import torch.nn.functional as F

from redoubt.attacks.core.pgd_step import normal_start
from redoubt.defenses.base import Batch, Defense, InnerAttack, State, hyper
from redoubt.models.base import Classifier


class PgdAt(Defense[Classifier]):
    """min over theta of E[ max over delta in S of L(theta, x + delta, y) ], equation 2.1."""

    paper = "1706.06083"

    class Params(InnerAttack):
        """Hyper-parameters of PGD-AT."""

        steps: int = hyper(7, "paper: section 5, CIFAR-10 (7 steps of 2/255)", ge=1)
        mode: Literal["eval", "train"] = hyper(
            "eval", "ours: as TRADES and MART; train in the code of Rice et al. 2020, train_cifar.py 294-316"
        )
        start: Literal["uniform", "normal"] = hyper(
            "uniform", "paper: section 4 (a random point of the ball); CURE's madry_loss starts near x"
        )
        noise: float = hyper(
            0.001, "CURE authors' code: adversarial_loss.py 310; of the normal start around x", ge=0
        )

    params: Params

    def loss(self, batch: Batch, state: State):
        model, c = state.model, self.params
        start = normal_start(batch.x, c.noise, state.generator) if c.start == "normal" else None
        ce = lambda z: F.cross_entropy(model(z), batch.y, reduction="none")
        x_adv = self.perturb(model, batch, state, ce, start, mode=c.mode)
        return F.cross_entropy(model(x_adv), batch.y), {}
