"""PGD adversarial training: Madry, Makelov, Schmidt, Tsipras, Vladu, ICLR 2018 (arXiv 1706.06083)."""

import torch.nn.functional as F

from redoubt.defenses.base import Batch, Defense, InnerAttack, State, hyper
from redoubt.models.base import Classifier


class PgdAt(Defense[Classifier]):
    """min over theta of E[ max over delta in S of L(theta, x + delta, y) ], equation 2.1."""

    paper = "1706.06083"

    class Params(InnerAttack):
        """Hyper-parameters of PGD-AT."""

        steps: int = hyper(7, "paper: section 5, CIFAR-10 (7 steps of 2/255)", ge=1)

    def loss(self, batch: Batch, state: State):
        model = state.model
        x_adv = self.perturb(
            model, batch, state, lambda z: F.cross_entropy(model(z), batch.y, reduction="none")
        )
        return F.cross_entropy(model(x_adv), batch.y), {}
