"""Against a defense that tells intrinsic from confused features (AFD): attacks on the features and on both branches.

The attacker knows D_1, D_2 and the frozen natural network. What is ascended is a loss of z_1 + confused * z_2, and
how far the intrinsic feature f_1 goes from a feature of the natural image; what counts is z_1, the deployed answer.
"""

from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from redoubt.attacks.core import losses
from redoubt.attacks.core.engine import AttackResult, Counted, batched
from redoubt.attacks.core.entry_exit import attack, finish, predictions
from redoubt.attacks.core.pgd_loop import Ascent, climb
from redoubt.attacks.core.pgd_step import random_start
from redoubt.errors import RedoubtError, nearest
from redoubt.models.features import METRICS, gap
from redoubt.seeds import generator

CHOICES = {"loss": ("ce", "margin", "toward", "none"), "reference": ("natural", "own"), "metric": METRICS}


class Branched(Protocol):
    """What this attack needs of a model; the view `unfolded` of AFD has it."""

    def __call__(self, x: Tensor) -> Tensor:
        """z_1 (N, K)."""

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(z_1 (N, K), z_2 (N, K), f_1 (N, D)), differentiable."""

    def natural(self, x: Tensor) -> Tensor:
        """f'_nat (N, D): the frozen natural network's feature."""


@dataclass(frozen=True)
class Aim:
    """What is ascended.

    Attributes:
        loss: of z_1 + confused * z_2: cross-entropy; margin; the margin towards the wrong label that D_2 finds in
            the natural image; or none.
        confused: weight of z_2; -1 is z_1 - z_2.
        gap: weight of the distance of f_1 from its reference.
        reference: the natural network's feature of the natural image, or f_1 of it.
        metric: of the distance, see `analysis.features.gap`.
    """

    loss: str
    confused: float
    gap: float
    reference: str
    metric: str

    def __post_init__(self):
        for key, allowed in CHOICES.items():
            if (value := getattr(self, key)) not in allowed:
                raise RedoubtError(
                    "unknown choice", key=key, value=value, allowed=allowed, nearest=nearest(value, allowed)
                )
        if self.loss == "none" and not self.gap:
            raise RedoubtError("nothing is left to ascend", key="gap", value=self.gap, allowed="not 0")

    def target(self, z2: Tensor, y: Tensor) -> Tensor:
        """(N,) argmax over c != y of z_2 at the natural images."""
        return z2.scatter(1, y[:, None], -torch.inf).argmax(1)

    def value(self, z1: Tensor, z2: Tensor, f1: Tensor, y: Tensor, target: Tensor, clean: Tensor) -> Tensor:
        """(N,) what is maximized.

        Args:
            z1, z2, f1: the branches at the perturbed images.
            y, target: (N,) true labels, and those of `target`.
            clean: (N, D), the reference.
        """
        z = z1 + self.confused * z2 if self.confused else z1
        base: Tensor | int = 0
        if self.loss == "toward":
            base = losses.targeted_margin(z, target)
        elif self.loss != "none":
            base = losses.UNTARGETED[self.loss](z, y)
        return cast(Tensor, base + self.gap * gap(clean, f1, self.metric) if self.gap else base)


@attack("linf", "l2")
def feature_space(
    model: Branched,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 50,
    step_size: float | None = None,
    restarts: int = 1,
    loss: str = "ce",
    confused: float = 0.0,
    gap: float = 1.0,
    reference: str = "natural",
    metric: str = "cosine",
) -> AttackResult:
    """PGD on a loss of z_1 + confused * z_2 plus gap * distance(f_1, reference), judged by z_1.

    Starts are those of `pgd`, which this is where `confused` and `gap` are 0. An example is done with its first
    misclassified iterate.

    Args:
        model: see `Branched`.
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: radius in pixels of the norm.
        steps: gradient steps a start.
        step_size: in pixels of the norm; default 2.5 eps / steps.
        restarts: random starts; each attacks only what still stands.
        loss: ce, margin, toward or none, see `Aim`, as are the others.

    Raises:
        RedoubtError: see `entry_exit.attack`; a model without branches; fewer than one step or start; an unknown
            choice.
    """
    if not (hasattr(model, "branches") and hasattr(model, "natural")):
        raise RedoubtError("this model has no branches", hint="attack AFD's view `unfolded`")
    for key, given in {"steps": steps, "restarts": restarts}.items():
        if given < 1:
            raise RedoubtError("an attack needs one or more", key=key, value=given)
    aim = Aim(loss, confused, gap, reference, metric)
    size = 2.5 * eps / steps if step_size is None else step_size
    how, draws = Ascent(eps, norm, steps, size), generator(x.device, seed, "pgd")
    judge, counted = Counted(model), Counted(lambda z: torch.cat(model.branches(z), 1))
    points, broken = x.clone(), predictions(judge, x, batch_size) != y
    for _ in range(restarts):
        start = random_start(x, norm, eps, draws)
        rows = (~broken).nonzero()[:, 0]
        if not len(rows):
            break
        work = lambda s: _climb(model, counted, aim, x, y, start, rows[s], how)  # noqa: B023
        points[rows], broken[rows] = batched(work, len(rows), batch_size)
    judge.forward += counted.forward
    judge.forward_calls += counted.forward_calls
    judge.backward, judge.backward_calls = counted.backward, counted.backward_calls
    return finish(judge, points, x, y, eps, norm, batch_size, seed=seed, loss=loss)


def _climb(
    model: Branched,
    counted: Counted,
    aim: Aim,
    x: Tensor,
    y: Tensor,
    start: Tensor,
    rows: Tensor,
    how: Ascent,
) -> tuple[Tensor, Tensor]:
    """(points, which of them are misclassified) of the examples `rows`, from one start."""
    center, labels = x[rows], y[rows]
    with torch.no_grad():
        z1, z2, f1 = model.branches(center)
        clean = model.natural(center) if aim.reference == "natural" else f1
    target, k = aim.target(z2, labels), z1.shape[1]
    split = lambda answer: answer.split([k, k, answer.shape[1] - 2 * k], 1)
    wrong = lambda answer, live: answer[:, :k].argmax(1) != labels[live]

    def ascended(answer: Tensor, live: Tensor) -> Tensor:
        own, other, feature = split(answer)
        return aim.value(own, other, feature, labels[live], target[live], clean[live])

    found, _, fooled = climb(counted, ascended, wrong, center, start[rows], how)
    return found, fooled
