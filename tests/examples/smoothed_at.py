"""Worked example of a new defense: PGD-AT on smoothed labels (Szegedy et al. 2016, arXiv 1512.00567)."""

import torch.nn.functional as F
from redoubt.defenses.parameters.smoothed_at import SmoothedAtParams

from redoubt.defenses.base import Batch, Defense, State


class SmoothedAt(Defense):
    """The target is (1 - s) onehot(y) + s / K, section 7, in the outer loss only; the attack is that of PGD-AT."""

    paper = "1512.00567"
    Params = SmoothedAtParams
    params: SmoothedAtParams

    def loss(self, batch: Batch, state: State):
        model = state.model
        objective = lambda z: F.cross_entropy(model(z), batch.y, reduction="none")
        x_adv = self.perturb(model, batch, state, objective)
        logits = model(x_adv)
        kept = (logits.argmax(1) == batch.y).float().mean()
        loss = F.cross_entropy(logits, batch.y, label_smoothing=self.params.smoothing)
        return loss, {"train_robust": kept}  # a row of the training record, per epoch
