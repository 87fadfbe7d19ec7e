"""ARREST: Suzuki et al., ICCV 2023 (arXiv 2308.16454), as AFD's authors re-implemented it as a baseline.

Adversarial fine-tuning with representation-guided knowledge distillation (RGKD) and noisy replay (NR).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from redoubt.attacks.core.engine import evaluating
from redoubt.attacks.core.pgd_step import random_start
from redoubt.defenses.base import Batch, InnerAttack, State, hyper
from redoubt.defenses.vaft import Vaft, WithStart

CODE = "AFD authors' code: ARREST.py"


class Arrest(Vaft[WithStart]):
    """CE(f(x_adv), y) + lam (1 - cos(f(x_adv), f'_nat(x))), with noise in place of x_adv where features drift."""

    paper = "2308.16454"

    class Params(InnerAttack):
        """Hyper-parameters of ARREST."""

        lam: float = hyper(50.0, f"{CODE} (beta 50); 0 switches RGKD off", ge=0)
        theta: float | None = hyper(30.0, f"{CODE} (degrees); null switches NR off", ge=0, le=180)
        replayed: float = hyper(0.5, f"{CODE} (NR in epochs 1-10 of 20), a share of the epochs", ge=0, le=1)

    params: Params

    def drifted(self, batch: Batch, state: State) -> bool:
        """NR's rule: the batch's mean 1 - cos(f'_nat(x), f(x)) on natural x is at least 1 - cos(theta)."""
        p, model = self.params, state.model
        if p.theta is None or state.epoch >= p.replayed * state.epochs:
            return False
        with evaluating(model), torch.no_grad():
            cos = F.cosine_similarity(model.natural(batch.x), model.classifier.features(batch.x))
        return (1 - cos.mean()).item() >= 1 - math.cos(math.radians(p.theta))

    def adversary(self, batch: Batch, state: State) -> Tensor:
        """PGD's x_adv, or its random start alone where the features have drifted."""
        if self.drifted(batch, state):
            return random_start(batch.x, self.norm, self.eps * state.warmup, state.generator)
        return super().adversary(batch, state)

    def extra(self, z: Tensor, f_adv: Tensor, f_nat: Tensor, batch: Batch, state: State) -> dict[str, Tensor]:
        if not self.params.lam:
            return {}
        return {"rgkd": self.params.lam * (1 - F.cosine_similarity(f_nat, f_adv).mean())}
