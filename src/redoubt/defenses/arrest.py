"""ARREST: Suzuki et al., ICCV 2023 (arXiv 2308.16454), as AFD's authors re-implemented it as a baseline.

Adversarial fine-tuning with representation-guided knowledge distillation (RGKD) and noisy replay (NR).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.attacks.core.engine import evaluating
from redoubt.defenses.base import Batch, State
from redoubt.defenses.parameters.arrest import ArrestParams
from redoubt.defenses.vaft import Vaft, WithStart
from redoubt.models.base import Classifier


class WithTeacher(WithStart):
    """Attributes: classifier, and `start`, the teacher, whose running statistics no pass moves."""

    def __init__(self, classifier: Classifier):
        super().__init__(classifier)
        for m in self.start.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm):
                m.track_running_stats = False

    @torch.no_grad()
    def taught(self, x: Tensor) -> Tensor:
        """The teacher's features (N, D) of natural images, its batch norms using the batch's statistics."""
        self.start.train()
        features = self.start.features(x)
        self.start.eval()
        return features


class Arrest(Vaft[WithTeacher]):
    """CE(f(x_adv), y) + lam (1 - cos(f(x_adv), f'_nat(x))), with noise in place of x_adv where features drift."""

    paper = "2308.16454"

    Params = ArrestParams

    def build(self) -> WithTeacher:
        return WithTeacher(self.classifier())

    def taught(self, x: Tensor, state: State) -> Tensor:
        """f'_nat(x), (N, D), of natural images."""
        return state.model.taught(x) if self.params.teacher == "batch" else state.model.natural(x)

    params: ArrestParams

    def drifted(self, batch: Batch, state: State) -> bool:
        """NR's rule: the batch's mean 1 - cos(f'_nat(x), f(x)) on natural x is at least 1 - cos(theta)."""
        p, model = self.params, state.model
        if p.theta is None or state.epoch >= p.replayed * state.epochs:
            return False
        with evaluating(model), torch.no_grad():
            taught = self.taught(batch.x, state)
            cos = F.cosine_similarity(taught, model.classifier.features(batch.x))
        return (1 - cos.mean()).item() >= 1 - math.cos(math.radians(p.theta))

    def adversary(self, batch: Batch, state: State) -> Tensor:
        """PGD's x_adv, or its random start alone where the features have drifted.

        The start is clipped to [0, 1] after the first step only (ARREST.py 173-185).
        """
        model, start = state.model, self.start_of_attack(batch, state)
        if self.drifted(batch, state):
            return start.clamp(0, 1)
        ce = lambda z: F.cross_entropy(model(z), batch.y, reduction="none")
        return self.perturb(model, batch, state, ce, start)

    def extra(self, z: Tensor, f_adv: Tensor, f_nat: Tensor, batch: Batch, state: State) -> dict[str, Tensor]:
        if not self.params.lam:
            return {}
        taught = self.taught(batch.x, state)
        return {"rgkd": self.params.lam * (1 - F.cosine_similarity(taught, f_adv).mean())}
