"""The undefended control: cross-entropy on natural images. `redoubt train digits/standard/main`."""

import torch.nn.functional as F

from redoubt.defenses.base import Batch, Defense, State
from redoubt.defenses.parameters.standard import StandardParams
from redoubt.models.base import Classifier


class Standard(Defense[Classifier]):
    """Empirical risk minimisation."""

    Params = StandardParams
    selects_on = "clean"

    def loss(self, batch: Batch, state: State):
        return F.cross_entropy(state.model(batch.x), batch.y), {}
