"""vAFT, vanilla adversarial fine-tuning, the baseline of AFD (arXiv 2401.14707), and what fine-tuning methods share.

Every method that is compared with AFD starts from the same naturally trained network, keeps a frozen copy of it, and
logs the same feature gap, whether its loss uses that copy or not.
"""

import copy
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.attacks.core.pgd_step import random_start
from redoubt.defenses.base import Batch, Defense, State
from redoubt.defenses.parameters.vaft import VaftParams
from redoubt.models.base import Classifier
from redoubt.models.features import gap


class WithStart(nn.Module):
    """The network that is fine-tuned, beside the frozen network it started from.

    Attributes:
        classifier: theta^F.
        start: theta^p; in eval mode whatever the mode of the whole, and no gradient reaches it.
    """

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier = classifier
        self.start = copy.deepcopy(classifier).requires_grad_(False).eval()

    def train(self, mode: bool = True):
        super().train(mode)
        self.start.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x)

    @torch.no_grad()
    def take(self, source: nn.Module) -> None:
        """Both networks take the weights of `source`, without sharing storage."""
        self.classifier.load_state_dict(source.state_dict())
        self.start.load_state_dict(source.state_dict())

    @torch.no_grad()
    def natural(self, x: Tensor) -> Tensor:
        """f'_nat (N, D): the starting network's penultimate features of natural images, without a gradient."""
        return self.start.features(x)


W = TypeVar("W", bound=WithStart)


class Vaft(Defense[W]):
    """min over theta of CE(f(x_adv), y), from naturally trained weights."""

    paper = "2401.14707"

    Params = VaftParams

    def build(self) -> W:
        return cast(W, WithStart(self.classifier()))

    def initialize(self, model: W, source: nn.Module) -> None:
        model.take(source)

    def deployed(self, model: W) -> nn.Module:
        return model.classifier

    def adversary(self, batch: Batch, state: State) -> Tensor:
        """x_adv (N, C, H, W): PGD on the cross-entropy of what is being fine-tuned, from `start_of_attack`."""
        model, start = state.model, self.start_of_attack(batch, state)
        return self.perturb(
            model, batch, state, lambda z: F.cross_entropy(model(z), batch.y, reduction="none"), start
        )

    def start_of_attack(self, batch: Batch, state: State) -> Tensor:
        """Drawn in the ball and not clipped to [0, 1] (tl+sl.py 173, ARREST.py 173)."""
        return random_start(batch.x, self.norm, self.eps * state.warmup, state.generator, clip=False)

    def extra(self, z: Tensor, f_adv: Tensor, f_nat: Tensor, batch: Batch, state: State) -> dict[str, Tensor]:
        """The method's weighted terms beside the cross-entropy, by name; none here.

        Args:
            z: (N, K) logits of x_adv. f_adv: (N, D) their features. f_nat: (N, D) features of `WithStart.natural`.
        """
        return {}

    def loss(self, batch: Batch, state: State):
        f = state.model.classifier
        x_adv = self.adversary(batch, state)
        f_adv, f_nat = f.features(x_adv), state.model.natural(batch.x)
        z = f.head(f_adv)
        ce = F.cross_entropy(z, batch.y)
        terms = self.extra(z, f_adv, f_nat, batch, state)
        logged = {"adversarial": ce.detach(), **{k: v.detach() for k, v in terms.items()}}
        return sum(terms.values(), ce), {**logged, **feature_gap(f_nat, f_adv)}


def feature_gap(f_nat: Tensor, f_adv: Tensor) -> dict[str, Tensor]:
    """AFD's figure 1(a) as logged by its code: mean || f'_nat(x) - f(x_adv) ||_inf, and the mean of 1 - cos."""
    f_adv = f_adv.detach()
    return {
        "feature_gap": gap(f_nat, f_adv, "linf").mean(),
        "feature_gap_cosine": gap(f_nat, f_adv, "cosine").mean(),
    }
