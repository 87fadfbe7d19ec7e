"""AFKD, adversarial fine-tuning with knowledge distillation: a baseline in the tables of AFD (arXiv 2401.14707).

No public text or code that we could open gives its loss: what stands here is the plainest reading of its name, the
distillation of Hinton et al. (arXiv 1503.02531) from the naturally trained network's natural predictions.
"""

from torch import Tensor

from redoubt.defenses.base import Batch, State
from redoubt.defenses.parameters.afkd import AfkdParams
from redoubt.defenses.trades import kl
from redoubt.defenses.vaft import Vaft, WithStart


class Afkd(Vaft[WithStart]):
    """CE(f(x_adv), y) + lam T^2 KL(p_T(x; theta^p) || p_T(x_adv; theta^F)), p_T a softmax at temperature T."""

    Params = AfkdParams
    params: AfkdParams

    def extra(self, z: Tensor, f_adv: Tensor, f_nat: Tensor, batch: Batch, state: State) -> dict[str, Tensor]:
        p = self.params
        if not p.lam:
            return {}
        log_p = (state.model.start.head(f_nat) / p.temperature).log_softmax(1)
        log_q = (z / p.temperature).log_softmax(1)
        return {"distillation": p.lam * p.temperature**2 * kl(log_p, log_q).mean()}
