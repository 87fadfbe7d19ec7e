"""The climb that every APGD variant shares: momentum steps, halved at checkpoints where they do not pay.

Croce and Hein 2020, "Reliable evaluation of adversarial robustness", section 3 and algorithm 1. Where the paper and
the reference code (pyautoattack 0.2.0) differ, the code's choice is taken and the comment says so: the aim is the
same survivors at the same seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from redoubt.attacks.autoattack.stages import Batch
from redoubt.attacks.autoattack.targets import first_rows
from redoubt.attacks.core.passes import Passes


@dataclass
class _Rows:
    """One climb each; every field's first dimension is the row."""

    owner: Tensor  # its example; several rows share one where targets run side by side
    x: Tensor
    low: Tensor  # the linf ball cut with [0, 1]
    high: Tensor
    y: Tensor
    target: Tensor
    z: Tensor
    z_before: Tensor
    gradient: Tensor
    step: Tensor
    loss: Tensor  # of the latest iterate
    best: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    rises: Tensor  # iterations since the last checkpoint in which the loss rose
    checked_loss: Tensor  # best loss at the last checkpoint
    halved: Tensor  # whether the last checkpoint halved the step
    adversarial: Tensor  # the latest misclassified iterate
    broken: Tensor

    def keep(self, mask: Tensor) -> None:
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name)[mask])


def _wide(v: Tensor) -> Tensor:
    return v.view(-1, 1, 1, 1)


def _unit(v: Tensor, norm: str) -> Tensor:
    flat = v.flatten(1)
    size = flat.abs().amax(1) if norm == "linf" else (flat**2).sum(1).sqrt()
    return v / (_wide(size) + 1e-12)


def sphere(batch: Batch, owner: Tensor) -> Tensor:
    """A random start for x[owner]: on the l2 sphere, or scaled to touch the linf ball's surface; then clipped."""
    if batch.norm == "linf":
        t = 2 * batch.draw(torch.rand, owner) - 1
    else:
        t = batch.draw(torch.randn, owner)
    return (batch.x[owner] + batch.eps * _unit(t, batch.norm)).clamp(0, 1)


def _into_l2_ball(z: Tensor, x: Tensor, eps: float) -> Tensor:
    delta = z - x
    size = (delta.flatten(1) ** 2).sum(1).sqrt()
    return (x + delta / (_wide(size) + 1e-12) * _wide(size.clamp_max(eps))).clamp(0, 1)


def _move(r: _Rows, norm: str, eps: float, momentum: float) -> Tensor:
    """The next iterate (paper, algorithm 1, lines 5 and 6)."""
    inertia = r.z - r.z_before
    if norm == "linf":
        u = torch.addcmul(r.z, r.step, r.gradient.sign()).clamp_(r.low, r.high)
    else:
        u = _into_l2_ball(r.z + r.step * _unit(r.gradient, norm), r.x, eps)
    u = u.sub_(r.z).mul_(momentum).add_(r.z).add_(inertia.mul_(1 - momentum))
    return u.clamp_(r.low, r.high) if norm == "linf" else _into_l2_ball(u, r.x, eps)


class ApgdLoop:
    """APGD from given starts; an example leaves as soon as one of its rows has a misclassified iterate.

    Leaving does not change the other rows. A GPU looks for rows that may leave at the checkpoints only, so that
    no step waits for it. With a random model nothing leaves, because a lucky draw is no success: the point of the
    largest loss (averaged over `draws`) is found.
    """

    def __init__(self, passes: Passes, batch: Batch, loss: Callable, steps: int, rho: float, draws: int):
        self.passes, self.batch, self.loss = passes, batch, loss
        self.steps, self.rho, self.draws = steps, rho, draws
        self.found = batch.x.clone()
        self.broken = torch.zeros(len(batch.x), dtype=torch.bool, device=batch.x.device)

    def run(self, owner: Tensor, target: Tensor, start: Tensor) -> None:
        """Climbs from `start`; `found` and `broken` of the batch hold the outcome."""
        self._begin(owner, target, start)
        self._leave()
        # Checkpoints (paper, section 3.2): the first after 22 % of the steps, then intervals shrink by 3 % to 6 %.
        interval, shortest = max(int(0.22 * self.steps), 1), max(int(0.06 * self.steps), 1)
        since = 0
        for i in range(self.steps):
            if not len(self.rows.owner):
                return
            self._step(first=i == 0, last=i == self.steps - 1)
            since += 1
            if since == interval:
                self._checkpoint(interval)
                since, interval = 0, max(interval - max(int(0.03 * self.steps), 1), shortest)
            if since == 0 or i == self.steps - 1 or not start.is_cuda:
                self._leave()
        self._keep_best()

    def _begin(self, owner: Tensor, target: Tensor, z: Tensor) -> None:
        b = self.batch
        x, y = b.x[owner], b.y[owner]
        loss, gradient, logits = self.passes.gradient(self.loss, z, y, target, draws=self.draws)
        self.rows = _Rows(
            owner, x, (x - b.eps).clamp_min(0), (x + b.eps).clamp_max(1), y, target, z, z, gradient,
            step=torch.full_like(_wide(loss), 2 * b.eps),
            # The reference compares the loss of the first step with the last entry of a list not yet filled: 0.
            # Cross-entropy always counts as risen there, DLR only once it is positive.
            loss=torch.zeros_like(loss),
            best=z, best_gradient=gradient, best_loss=loss,
            rises=torch.zeros_like(loss), checked_loss=loss, halved=torch.ones_like(y, dtype=torch.bool),
            adversarial=z, broken=self._wrong(logits, y),
        )  # fmt: skip

    def _wrong(self, logits: Tensor, y: Tensor) -> Tensor:
        wrong = logits.max(1).indices != y
        return torch.zeros_like(wrong) if self.batch.random else wrong

    def _step(self, first: bool, last: bool) -> None:
        r = self.rows
        r.z, r.z_before = _move(r, self.batch.norm, self.batch.eps, 1.0 if first else 0.75), r.z
        if last:  # nothing will follow its gradient
            loss, logits = self.passes.value(self.loss, r.z, r.y, r.target, draws=self.draws)
        else:
            loss, r.gradient, logits = self.passes.gradient(self.loss, r.z, r.y, r.target, draws=self.draws)
        wrong = self._wrong(logits, r.y)
        r.adversarial = torch.where(_wide(wrong), r.z, r.adversarial)
        r.broken = r.broken | wrong
        better = loss > r.best_loss
        r.best = torch.where(_wide(better), r.z, r.best)
        r.best_gradient = torch.where(_wide(better), r.gradient, r.best_gradient)
        r.best_loss = torch.where(better, loss, r.best_loss)
        r.rises = r.rises + (loss > r.loss)
        r.loss = loss

    def _checkpoint(self, interval: int) -> None:
        """Halves the steps that do not pay and restarts them from the best point (paper, conditions 1 and 2)."""
        r = self.rows
        oscillates = r.rises <= interval * self.rho
        stalls = ~r.halved & (r.checked_loss >= r.best_loss)
        r.halved = oscillates | stalls
        r.step = torch.where(_wide(r.halved), r.step / 2, r.step)
        r.z = torch.where(_wide(r.halved), r.best, r.z)
        r.gradient = torch.where(_wide(r.halved), r.best_gradient, r.gradient)
        r.checked_loss, r.rises = r.best_loss, torch.zeros_like(r.rises)

    def _leave(self) -> None:
        r = self.rows
        if not r.broken.any():
            return
        owner, first = first_rows(r.owner[r.broken], len(self.broken))
        self.found[owner] = r.adversarial[r.broken][first]
        self.broken[owner] = True
        r.keep(~self.broken[r.owner])

    def _keep_best(self) -> None:
        owner, first = first_rows(self.rows.owner, len(self.broken))
        self.found[owner] = self.rows.best[first]
