"""FAB (Croce and Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary attack").

It walks along the decision boundary towards the image; as part of AutoAttack it only has to come within eps.
`fab_t` is the targeted version that AutoAttack `standard` runs.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from redoubt.attacks.autoattack.fab_projection import shift_to_hyperplane
from redoubt.attacks.autoattack.stages import Batch, Core, Stage, in_stages
from redoubt.attacks.autoattack.targets import TARGETS, first_rows, ranks, target_classes
from redoubt.attacks.core.engine import AttackResult, Model, distance
from redoubt.attacks.core.passes import Passes

STEPS = 100  # AutoAttack paper, section 5
ALPHA_MAX, ETA, BETA = 0.1, 1.05, 0.9  # FAB paper, section 3.4: pull to the image, overshoot, step back
# Iterations after which a GPU looks for examples that may leave.
LOOK_EVERY = 10

# (passes, z, y, aims) -> (gap (N,), gradient of the gap (N, C, H, W)); the gap is negative inside the true class
Boundary = Callable[[Passes, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def _towards_target(passes: Passes, z: Tensor, y: Tensor, aims: Tensor) -> tuple[Tensor, Tensor]:
    gap, gradient, _ = passes.gradient(lambda logits, aims: (logits * aims).sum(1), z, aims)
    return gap, gradient


def _towards_nearest(norm: str) -> Boundary:
    """The class whose linearised boundary is nearest (paper, equation 7)."""

    def boundary(passes: Passes, z: Tensor, y: Tensor, aims: Tensor) -> tuple[Tensor, Tensor]:
        gaps, gradients = passes.jacobian(z, y, aims.shape[1])
        slopes = gradients.flatten(2)
        slopes = slopes.abs().sum(2) if norm == "linf" else (slopes**2).sum(2).sqrt()
        own = torch.arange(gaps.shape[1], device=y.device) == y[:, None]
        nearest = (gaps.abs() / (1e-12 + slopes)).masked_fill(own, torch.inf).min(1).indices
        rows = torch.arange(len(z), device=z.device)
        return gaps[rows, nearest], gradients[rows, nearest]

    return boundary


def _advance(z: Tensor, x: Tensor, gap: Tensor, gradient: Tensor, norm: str) -> Tensor:
    """One step: projections of the iterate and of the image on the linearised boundary, mixed (equation 9)."""
    n, w = len(z), gradient.flatten(1)
    flat, origin = z.flatten(1), x.flatten(1)
    b = (w * flat).sum(1) - gap
    shift = shift_to_hyperplane(torch.cat([flat, origin]), w.repeat(2, 1), b.repeat(2), norm)
    size = (shift.abs().amax(1) if norm == "linf" else (shift**2).sum(1).sqrt()).clamp_min(1e-8)
    alpha = (size[:n] / (size[:n] + size[n:])).clamp(0, ALPHA_MAX)[:, None]
    moved = (flat + ETA * shift[:n]) * (1 - alpha) + (origin + ETA * shift[n:]) * alpha
    return moved.clamp(0, 1).view_as(z)


class _Walk:
    """FAB from given starts; an example leaves once one of its rows found an adversarial point within eps.

    The reference keeps the nearest adversarial point of a run and compares it with eps at the end: the same
    examples break, and leaving early only saves passes.
    """

    def __init__(self, passes: Passes, batch: Batch, boundary: Boundary, steps: int):
        self.passes, self.batch, self.boundary, self.steps = passes, batch, boundary, steps
        self.found = batch.x.clone()
        self.broken = torch.zeros(len(batch.x), dtype=torch.bool, device=batch.x.device)

    def run(self, owner: Tensor, aims: Tensor, z: Tensor) -> None:
        """Walks from z; `found` and `broken` of the batch hold the outcome."""
        b = self.batch
        x, y, near = b.x[owner], b.y[owner], z
        reached = torch.zeros_like(y, dtype=torch.bool)
        for i in range(self.steps):
            z = _advance(z, x, *self.boundary(self.passes, z, y, aims), b.norm)
            adversarial = self.passes(z).max(1).indices != y
            hit = adversarial & (distance(z, x, b.norm) <= b.eps)
            near, reached = torch.where(_wide(hit), z, near), reached | hit
            z = torch.where(_wide(adversarial), x + (z - x) * BETA, z)
            looks = not z.is_cuda or (i + 1) % LOOK_EVERY == 0 or i == self.steps - 1
            if looks and reached.any():
                stays = self._leave(owner, near, reached)
                rows = (owner, x, y, near, reached, aims, z)
                owner, x, y, near, reached, aims, z = (r[stays] for r in rows)
                if not len(owner):
                    return

    def _leave(self, owner: Tensor, near: Tensor, reached: Tensor) -> Tensor:
        examples, first = first_rows(owner[reached], len(self.broken))
        self.found[examples] = near[reached][first]
        self.broken[examples] = True
        return ~self.broken[owner]


def _wide(v: Tensor) -> Tensor:
    return v.view(-1, 1, 1, 1)


def _half_way(batch: Batch, owner: Tensor) -> Tensor:
    """The start of a restart: half of eps away from x[owner] (the reference draws as for APGD)."""
    if batch.norm == "linf":
        t = 2 * batch.draw(torch.rand, owner) - 1
        size = t.flatten(1).abs().amax(1)
    else:
        t = batch.draw(torch.randn, owner)
        size = (t.flatten(1) ** 2).sum(1).sqrt()
    return (batch.x[owner] + batch.eps * t / _wide(size) * 0.5).clamp(0, 1)


def targeted(*, steps: int, targets: int, side_by_side: bool | None) -> Core:
    """FAB towards the classes with the next largest clean logits; side by side or not, the outcome is the same."""

    def core(passes: Passes, batch: Batch) -> tuple[Tensor, Tensor]:
        walk = _Walk(passes, batch, _towards_target, steps)
        for group in ranks(batch, targets, side_by_side):
            owner = (~walk.broken).nonzero()[:, 0]
            if len(owner):
                aims = torch.cat([_aims(batch, owner, rank) for rank in group])
                walk.run(owner.repeat(len(group)), aims, batch.x[owner].repeat(len(group), 1, 1, 1))
        return walk.found, walk.broken

    return core


def _aims(batch: Batch, owner: Tensor, rank: int) -> Tensor:
    """(n, K) weights of the logits: 1 for the target class, -1 for the true one."""
    aims = torch.zeros_like(batch.logits[owner])
    aims.scatter_(1, batch.y[owner, None], -1)
    return aims.scatter_(1, target_classes(batch, rank)[owner, None], 1)


def untargeted(*, steps: int, restarts: int) -> Core:
    """FAB towards the nearest class: K backward passes an iteration. The first run starts at the image."""

    def core(passes: Passes, batch: Batch) -> tuple[Tensor, Tensor]:
        walk = _Walk(passes, batch, _towards_nearest(batch.norm), steps)
        for restart in range(restarts):
            owner = (~walk.broken).nonzero()[:, 0]
            if len(owner):
                start = _half_way(batch, owner) if restart else batch.x[owner]
                walk.run(owner, batch.logits[owner], start)
        return walk.found, walk.broken

    return core


def fab_t(
    model: Model, x: Tensor, y: Tensor, *, eps: float, norm: str = "linf", seed: int = 0, batch_size: int = 250,
    steps: int = STEPS, targets: int = TARGETS, side_by_side: bool | None = None,
) -> AttackResult:  # fmt: skip
    """Targeted FAB, one target class after another; AutoAttack's third part.

    It draws nothing at random: the seed and the batch size do not matter.

    Args:
        x, y: (N, C, H, W) pixels in [0, 1] and (N,) true labels.
        eps, norm: the ball, in pixels.
        batch_size: examples that walk at once.
        steps: iterations for each target.
        targets: classes to aim at, by descending clean logit; at most K - 1 are used.
        side_by_side: run all targets but the first at once; default on a GPU only.

    Raises:
        RedoubtError: see `stages.in_stages`.
    """
    core = targeted(steps=steps, targets=targets, side_by_side=side_by_side)
    return in_stages(
        model, x, y, [Stage("fab_t", core)], eps=eps, norm=norm, seed=seed, batch_size=batch_size
    )
