"""AutoAttack (Croce and Hein 2020), run by the package pyautoattack: the reference algorithm, textually."""

import contextlib
import os

import torch
from torch import Tensor

from redoubt.attacks.engine import AttackResult, Counted, Model, check_input, frozen
from redoubt.attacks.finish import finish
from redoubt.errors import RedoubtError, nearest

VERSIONS = ("standard", "plus", "rand")
NORMS = {"linf": "Linf", "l2": "L2"}


def autoattack(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 250,
    version: str = "standard",
) -> AttackResult:
    """The ensemble APGD-CE, APGD-T, FAB-T, Square (`standard`).

    The reference takes the clock for a seed unless it is given one; here it always is.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        batch_size: part of the random draws of Square; 250 is the reference's default.

    Raises:
        RedoubtError: see `engine.check_input`; an unknown version; fewer than 4 classes (DLR is undefined).
    """
    check_input(model, x, y, eps, norm)
    if version not in VERSIONS:
        raise RedoubtError("unknown version", value=version, allowed=VERSIONS, nearest=nearest(version, VERSIONS))
    counted = Counted(model)
    return finish(counted, _run(model, counted, x, y, eps, norm, seed, batch_size, version), x, y, eps, norm, batch_size)


def _run(model, counted, x, y, eps, norm, seed, batch_size, version) -> Tensor:
    if eps == 0 or len(x) == 0:
        return x
    with torch.no_grad():
        classes = counted(x[:1]).shape[1]
    if classes < 4:
        raise RedoubtError("AutoAttack's DLR loss needs at least 4 classes", value=classes)
    from pyautoattack import AutoAttack

    suite = AutoAttack(counted, norm=NORMS[norm], eps=eps, seed=seed, version=version, device=x.device)
    suite.verbose = False
    targets = min(9, classes - 1)
    for part in (suite.apgd_targeted, suite.fab):
        part.n_target_classes = targets
    with frozen(model), open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        x_adv, *_ = suite.run_standard_evaluation(x, y, batch_size=batch_size)
    # A rounding error beyond the ball would be refused by `finish`; the reference leaves at most one ulp.
    return x_adv.clamp(0, 1)
