"""Which classes the targeted attacks of AutoAttack aim at, and which of them run side by side."""

import torch
from torch import Tensor

from redoubt.attacks.autoattack.stages import Batch

TARGETS = 9  # Croce and Hein 2020, section 5: for APGD-T and FAB-T


def target_classes(batch: Batch, rank: int) -> Tensor:
    """(N,) the class with the `rank`-th largest clean logit; rank 2 is the first after the predicted one."""
    return batch.logits.sort(dim=1).indices[:, -rank]


def ranks(batch: Batch, targets: int, side_by_side: bool | None) -> list[list[int]]:
    """Ranks of the target classes, in groups that run side by side.

    At most K - 1 of them. Side by side (default on a GPU only), the first target goes alone because it breaks
    most, and all others together.
    """
    last = min(targets, batch.logits.shape[1] - 1) + 1
    if side_by_side is None:
        side_by_side = batch.x.is_cuda
    if side_by_side:
        return [group for group in ([2], list(range(3, last + 1))) if group]
    return [[rank] for rank in range(2, last + 1)]


def first_rows(owner: Tensor, examples: int) -> tuple[Tensor, Tensor]:
    """The distinct owners and, for each, its first row: no two writes race for one example."""
    rows = torch.arange(len(owner), device=owner.device)
    first = torch.full((examples,), len(owner), device=owner.device).scatter_reduce(0, owner, rows, "amin")
    owners = (first < len(owner)).nonzero()[:, 0]
    return owners, first[owners]
