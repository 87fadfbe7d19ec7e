"""Attacks one after another, each on the examples that still stand: what AutoAttack and its parts share.

Every stage gets batches of standing examples with their clean logits, so that no pass on the clean images is
repeated, and a fresh prediction decides about every point that a stage reports as adversarial.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from redoubt.attacks.core.affine_batch_norm import affine_norms
from redoubt.attacks.core.checked_input import Model, check_input
from redoubt.attacks.core.engine import AttackResult, frozen
from redoubt.attacks.core.entry_exit import check_within
from redoubt.attacks.core.eot import Repeated, is_random, repeated
from redoubt.attacks.core.passes import Passes
from redoubt.records.packed_booleans import pack

# Numbers in the images of a `Batch`, at most (one batch of the reference if that is more): few enough for the third
# level of a cache, and to fill a GPU.
TOGETHER = {"cpu": 2**20, "cuda": 2**24}


@dataclass(frozen=True)
class Batch:
    """Standing examples that one stage attacks together.

    Attributes:
        x, y: (N, C, H, W) in [0, 1] and (N,) labels, all of them predicted right.
        logits: (N, K) at x.
        eps, norm: the ball.
        sizes: how many consecutive examples share random draws: the reference's batches. Several of them go
            through the model side by side here.
        draws: one generator for each of these, on the CPU and all seeded alike, as in the reference: a batch of
            the same size gets the same draws there and here.
        random: the model answers differently each time, so that one misclassified draw is no success.
    """

    x: Tensor
    y: Tensor
    logits: Tensor
    eps: float
    norm: str
    sizes: Sequence[int]
    draws: Sequence[torch.Generator]
    random: bool = False

    def draw(self, kind: Callable, owner: Tensor) -> Tensor:
        """Random numbers in the shape of x[owner], in the reference's order.

        Args:
            kind: torch.rand or torch.randn.
            owner: (n,) ascending positions in the batch.
        """
        edges = torch.tensor(self.sizes).cumsum(0)
        counts = (
            torch.searchsorted(owner.cpu(), edges).diff(prepend=torch.zeros(1, dtype=torch.long)).tolist()
        )
        found = [
            kind((n, *self.x.shape[1:]), generator=draws)
            for n, draws in zip(counts, self.draws, strict=True)
            if n
        ]
        return torch.cat(found).to(self.x.device)


# (passes, batch) -> (a point in the ball for each example, which of them are adversarial)
Core = Callable[[Passes, Batch], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Stage:
    """One attack of a suite: the name that its survivors are recorded under, and what it does to a batch."""

    name: str
    core: Core


def in_stages(
    model: Model,
    x: Tensor,
    y: Tensor,
    stages: Sequence[Stage],
    *,
    eps: float,
    norm: str,
    seed: int,
    batch_size: int,
    **info: object,
) -> AttackResult:
    """Runs the stages in order; an example that one of them breaks is spared the rest.

    A fresh prediction decides whether a point is adversarial. For a model that draws at random it is the majority of
    `eot.DRAWS` of them; no stage then stops at a lucky draw, and `info["random"]` holds their mean and worst.

    Args:
        model: any callable from (N, C, H, W) to logits (N, K).
        x, y: (N, C, H, W) in [0, 1] and (N,) labels.
        eps, norm: the ball, in pixels.
        seed: seeds the draws of every batch of every stage alike.
        batch_size: standing examples that share draws (and so decide them). How many go through the model at
            once is independent of it.
        info: goes into the result's `info`, before the stages.

    Returns:
        `info["stages"]` has one entry for the clean predictions and one for each stage: its name, the number
        of examples still standing after it and their packed bits, its passes in images and its seconds.
        `x_adv` is the adversarial point of an example, and for one that stands the first stage's strongest.

    Raises:
        RedoubtError: see `checked_input.check_input`; logits that are not finite.
    """
    x, y = check_input(model, x, y, eps, norm)
    log: list[dict] = []
    info = {**info, "batch_size": batch_size, "stages": log}
    if len(x) == 0:
        return AttackResult(x, torch.zeros_like(y, dtype=torch.bool), info=info)
    with frozen(model), affine_norms(model), torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        run = _Run(model, x, y, seed, log)
        for stage in stages if eps > 0 else ():
            run.attack(stage, eps, norm, batch_size)
        if run.random:
            info["random"] = run.repeated(run.x_adv, y).summary()
    check_within(run.x_adv, x, eps, norm)
    passes = run.passes
    return AttackResult(run.x_adv, run.correct, passes.forward, passes.backward, passes.calls, info)


class _Run:
    def __init__(self, model: Model, x: Tensor, y: Tensor, seed: int, log: list[dict]):
        self.x, self.y, self.seed, self.log = x, y, seed, log
        self.passes, self.random = Passes(model, x), is_random(model, x)
        self._begin()
        self.logits = self.passes.clean(x)
        self.x_adv = x.clone()
        # Share of fresh predictions at x_adv that are right.
        self.right = self._right(x, y, self.logits)
        self._record("clean")

    @property
    def correct(self) -> Tensor:
        return self.right >= 0.5

    def attack(self, stage: Stage, eps: float, norm: str, batch_size: int) -> None:
        standing = self.correct.nonzero()[:, 0]
        if not len(standing):
            return
        self._begin()
        together = max(1, TOGETHER["cuda" if self.x.is_cuda else "cpu"] // (batch_size * self.x[0].numel()))
        for index in standing.split(batch_size * together):
            sizes = [len(part) for part in index.split(batch_size)]
            draws = [torch.Generator().manual_seed(self.seed) for _ in sizes]
            x, y, logits = self.x[index], self.y[index], self.logits[index]
            batch = Batch(x, y, logits, eps, norm, sizes, draws, self.random)
            self._judge(index, *stage.core(self.passes, batch), first=len(self.log) == 1)
        self._record(stage.name)

    def _judge(self, index: Tensor, found: Tensor, broken: Tensor, first: bool) -> None:
        if not self.random:
            if first:
                self.x_adv[index] = found
            index, found = index[broken], found[broken]
        if not len(index):
            return
        right = self._right(found, self.y[index])
        better = right < self.right[index]
        self.x_adv[index[better]] = found[better]
        self.right[index[better]] = right[better]

    def repeated(self, x: Tensor, y: Tensor) -> Repeated:
        return repeated(self.passes, x, y, seed=self.seed, batch_size=len(x))

    def _right(self, x: Tensor, y: Tensor, logits: Tensor | None = None) -> Tensor:
        if self.random:
            return self.repeated(x, y).fraction
        # max, not argmax: what the reference takes where two logits tie.
        return ((self.passes(x) if logits is None else logits).max(1).indices == y).float()

    def _begin(self) -> None:
        self.began = time.perf_counter()
        self.passed = (0, 0) if not self.log else (self.passes.forward, self.passes.backward)

    def _record(self, name: str) -> None:
        correct = self.correct.cpu().numpy()
        self.log.append(
            {
                "name": name,
                "standing": int(correct.sum()),
                "bits": pack(correct),
                "forward": self.passes.forward - self.passed[0],
                "backward": self.passes.backward - self.passed[1],
                "seconds": round(time.perf_counter() - self.began, 3),
            }
        )
