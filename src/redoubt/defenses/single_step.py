"""Single-step adversarial training, FGSM-RS and N-FGSM, each alone (lam = 0) or with UIAT's alignment.

FGSM-RS: Wong, Rice, Kolter, ICLR 2020 (arXiv 2001.03994). N-FGSM: de Jorge et al., NeurIPS 2022 (arXiv 2202.01181).
"""

import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.core.engine import attacking
from redoubt.attacks.core.pgd_step import ascend, random_start
from redoubt.defenses.base import Batch, State
from redoubt.defenses.parameters.single_step import FgsmRsParams, NFgsmParams, SingleStepParams
from redoubt.defenses.uiat import InverseAlignment


class SingleStep(InverseAlignment):
    """x_adv = one signed step of size `step_size` from x plus uniform noise of radius `noise`."""

    Params = SingleStepParams
    params: SingleStepParams

    def limit(self) -> float:
        """How far x_adv may be from x, as a share of the radius."""
        raise NotImplementedError(f"{type(self).__name__} has no limit")

    def adversary(self, batch: Batch, state: State) -> Tensor:
        f, p, eps = state.model.classifier, self.params, self.eps * state.warmup
        start = random_start(batch.x, self.norm, p.noise * eps, state.generator)
        with attacking(state.model, p.mode):
            return ascend(
                lambda z: F.cross_entropy(f(z), batch.y, reduction="none"),
                batch.x,
                eps=self.limit() * eps,
                step_size=p.step_size * eps,
                steps=1,
                norm=self.norm,
                start=start,
            )


class FgsmRs(SingleStep):
    """FGSM with a random start, clipped to the ball."""

    paper = "2001.03994"

    Params = FgsmRsParams

    def limit(self) -> float:
        return 1.0


class NFgsm(SingleStep):
    """FGSM on noisy images: more noise than the ball holds, and no clipping to the ball (only to pixels)."""

    paper = "2202.01181"

    Params = NFgsmParams

    def limit(self) -> float:
        return self.params.noise + self.params.step_size
