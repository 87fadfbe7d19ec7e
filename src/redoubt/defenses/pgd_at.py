"""PGD adversarial training: Madry, Makelov, Schmidt, Tsipras, Vladu, ICLR 2018 (arXiv 1706.06083)."""

import torch.nn.functional as F

from redoubt.attacks.core.pgd_step import normal_start
from redoubt.defenses.base import Batch, Defense, State
from redoubt.defenses.parameters.pgd_at import PgdAtParams
from redoubt.models.base import Classifier


class PgdAt(Defense[Classifier]):
    """min over theta of E[ max over delta in S of L(theta, x + delta, y) ], equation 2.1."""

    paper = "1706.06083"

    Params = PgdAtParams
    params: PgdAtParams

    def loss(self, batch: Batch, state: State):
        model, c = state.model, self.params
        start = normal_start(batch.x, c.noise, state.generator) if c.start == "normal" else None
        ce = lambda z: F.cross_entropy(model(z), batch.y, reduction="none")
        x_adv = self.perturb(model, batch, state, ce, start, mode=c.mode)
        return F.cross_entropy(model(x_adv), batch.y), {}
