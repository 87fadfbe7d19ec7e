"""PGD adversarial training: Madry, Makelov, Schmidt, Tsipras, Vladu, ICLR 2018 (arXiv 1706.06083)."""

from typing import Literal

import torch.nn.functional as F

from redoubt.attacks.projected import normal_start
from redoubt.defenses.base import Batch, Defense, InnerAttack, State, hyper


class PgdAt(Defense):
    """min over theta of E[ max over delta in S of L(theta, x + delta, y) ], equation 2.1."""

    paper = "1706.06083"

    class Params(InnerAttack):
        """Hyper-parameters of PGD-AT."""

        steps: int = hyper(7, "paper: section 5, CIFAR-10 (7 steps of 2/255)", ge=1)
        start: Literal["uniform", "normal"] = hyper(
            "uniform", "paper: section 4 (a random point of the ball); CURE's madry_loss starts near x"
        )
        noise: float = hyper(
            0.001, "CURE authors' code: adversarial_loss.py 310; of the normal start around x", ge=0
        )

    def loss(self, batch: Batch, state: State):
        model, c, start = state.model, self.params, None
        if c.start == "normal":
            start = normal_start(batch.x, c.noise, state.generator)
        x_adv = self.perturb(
            model, batch, state, lambda z: F.cross_entropy(model(z), batch.y, reduction="none"), start
        )
        return F.cross_entropy(model(x_adv), batch.y), {}
