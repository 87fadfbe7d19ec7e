"""CURE_Eff, appendix B of CURE (Gowda, Zonooz, Arani, ICLR 2024, arXiv 2401.14948)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.defenses.base import Batch, State
from redoubt.defenses.cure import Cure
from redoubt.defenses.parameters.cure_eff import CureEffParams


class CureEff(Cure):
    """Natural training, then CURE, in one training."""

    Params = CureEffParams
    params: CureEffParams

    def step(self, batch: Batch, state: State) -> dict[str, Tensor]:
        if state.epoch >= self.params.switch * state.epochs:
            return super().step(batch, state)
        loss = F.cross_entropy(state.model.classifier(batch.x), batch.y)
        state.optimizers["model"].zero_grad(set_to_none=True)
        loss.backward()
        state.optimizers["model"].step()
        # theta_rev follows until the switch, so that it starts from the last natural weights even after a kill.
        state.model.copy()
        return {"loss": loss.detach()}

    def revise(self, state: State) -> None:
        """As CURE, or with `shared` what the released code does to theta in its place."""
        if not self.params.shared:
            return super().revise(state)
        state.model.t += 1
        if torch.rand(()).item() < self.revision_rate(state):
            state.model.shrink(self.params.d)
        return state.model.follow()
