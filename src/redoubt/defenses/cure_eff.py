"""CURE_Eff, appendix B of CURE (Gowda, Zonooz, Arani, ICLR 2024, arXiv 2401.14948)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.defenses.base import Batch, State, hyper
from redoubt.defenses.cure import Cure


class CureEff(Cure):
    """Natural training, then CURE, in one training."""

    starts_from = None

    class Params(Cure.Params):
        """Hyper-parameters of CURE_Eff."""

        switch: float = hyper(
            0.395,
            "authors' code: train_warmup.py 97 (from epoch 80 of 200 on, after 79), a share of the epochs",
            ge=0,
            le=1,
        )
        shared: bool = hyper(
            False,
            "ours: a copy, as in CURE; in the authors' code (train_warmup.py 103-104) the two networks share storage",
        )

    params: Params

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
