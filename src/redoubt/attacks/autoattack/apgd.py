"""Auto-PGD (Croce and Hein 2020, "Reliable evaluation of adversarial robustness"): the losses and the attacks.

`apgd_ce`, `apgd_dlr` and the targeted `apgd_t` are parts of AutoAttack; the climb itself is in `climb`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from redoubt.attacks.autoattack.apgd_loop import ApgdLoop, sphere
from redoubt.attacks.autoattack.stages import Batch, Core, Stage, in_stages
from redoubt.attacks.autoattack.targets import TARGETS, ranks, target_classes
from redoubt.attacks.core import losses
from redoubt.attacks.core.engine import AttackResult, Model
from redoubt.attacks.core.passes import Passes

STEPS = 100  # paper, section 4
RHO = 0.75  # paper, section 3.2


def cross_entropy(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    return losses.cross_entropy(logits, y)


def dlr(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    return losses.dlr(logits, y)


def untargeted(loss: Callable, *, steps: int, restarts: int, rho: float, eot: int) -> Core:
    """APGD on a loss, from `restarts` random starts; each only attacks what still stands."""

    def core(passes: Passes, batch: Batch) -> tuple[Tensor, Tensor]:
        climb = ApgdLoop(passes, batch, loss, steps, rho, eot)
        for _ in range(restarts):
            owner = (~climb.broken).nonzero()[:, 0]
            if len(owner):
                climb.run(owner, batch.y[owner], sphere(batch, owner))
        return climb.found, climb.broken

    return core


def targeted(*, steps: int, targets: int, rho: float, side_by_side: bool | None) -> Core:
    """APGD on the targeted DLR, for the classes with the next largest clean logits, one start each.

    Side by side the draws are made as if no target of the group broke anything: an example whose group mates
    break then starts from other points than in the reference, drawn alike.
    """

    def core(passes: Passes, batch: Batch) -> tuple[Tensor, Tensor]:
        climb = ApgdLoop(passes, batch, losses.targeted_dlr, steps, rho, 1)
        for group in ranks(batch, targets, side_by_side):
            owner = (~climb.broken).nonzero()[:, 0]
            if len(owner):
                starts = [sphere(batch, owner) for _ in group]
                classes = [target_classes(batch, rank)[owner] for rank in group]
                climb.run(owner.repeat(len(group)), torch.cat(classes), torch.cat(starts))
        return climb.found, climb.broken

    return core


def apgd_ce(
    model: Model, x: Tensor, y: Tensor, *, eps: float, norm: str = "linf", seed: int = 0, batch_size: int = 250,
    steps: int = STEPS, restarts: int = 1, rho: float = RHO, eot: int = 1,
) -> AttackResult:  # fmt: skip
    """APGD on cross-entropy: AutoAttack's first part.

    Args:
        x, y: (N, C, H, W) pixels in [0, 1] and (N,) true labels.
        eps, norm: the ball, in pixels.
        batch_size: examples that share random draws; 250 is the reference's. See `stages.in_stages`.
        steps, restarts, rho: the paper's; a restart only attacks what still stands.
        eot: passes that the loss and gradient of a random model are averaged over.

    Raises:
        RedoubtError: see `stages.in_stages`.
    """
    core = untargeted(cross_entropy, steps=steps, restarts=restarts, rho=rho, eot=eot)
    return in_stages(
        model, x, y, [Stage("apgd_ce", core)], eps=eps, norm=norm, seed=seed, batch_size=batch_size
    )  # fmt: skip


def apgd_dlr(
    model: Model, x: Tensor, y: Tensor, *, eps: float, norm: str = "linf", seed: int = 0, batch_size: int = 250,
    steps: int = STEPS, restarts: int = 1, rho: float = RHO, eot: int = 1,
) -> AttackResult:  # fmt: skip
    """APGD on the untargeted DLR loss (`losses.dlr`, also for its two-class fallback); arguments as for `apgd_ce`."""
    core = untargeted(dlr, steps=steps, restarts=restarts, rho=rho, eot=eot)
    return in_stages(
        model, x, y, [Stage("apgd_dlr", core)], eps=eps, norm=norm, seed=seed, batch_size=batch_size
    )  # fmt: skip


def apgd_t(
    model: Model, x: Tensor, y: Tensor, *, eps: float, norm: str = "linf", seed: int = 0, batch_size: int = 250,
    steps: int = STEPS, targets: int = TARGETS, rho: float = RHO, side_by_side: bool | None = None,
) -> AttackResult:  # fmt: skip
    """Targeted APGD on the DLR loss (`losses.targeted_dlr`), one target class after another; AutoAttack's second part.

    Args:
        targets: classes to aim at, by descending clean logit; at most K - 1 are used.
        side_by_side: run all targets but the first at once; default on a GPU only. See `targeted`.

    The other arguments are those of `apgd_ce`.
    """
    core = targeted(steps=steps, targets=targets, rho=rho, side_by_side=side_by_side)
    return in_stages(
        model, x, y, [Stage("apgd_t", core)], eps=eps, norm=norm, seed=seed, batch_size=batch_size
    )
