"""AutoAttack (Croce and Hein 2020) and its weaker, cheaper half `screen`.

`standard` is for headline numbers. Its survivors after each stage are those of pyautoattack 0.2.0 at the same seed
and batch size (tests/attacks/test_autoattack.py), which is also selectable: `backend="pyautoattack"`.
"""

from functools import partial
from typing import Any

from torch import Tensor

from redoubt.attacks.autoattack import apgd, fab
from redoubt.attacks.autoattack import square as square_attack
from redoubt.attacks.autoattack.reference import reference
from redoubt.attacks.autoattack.stages import Stage, in_stages
from redoubt.attacks.autoattack.targets import TARGETS
from redoubt.attacks.core.engine import AttackResult, Model
from redoubt.errors import RedoubtError, nearest

VERSIONS = {
    "standard": ("apgd_ce", "apgd_t", "fab_t", "square"),
    "plus": ("apgd_ce", "apgd_dlr", "fab", "square", "apgd_t", "fab_t"),
    "rand": ("apgd_ce", "apgd_dlr"),
}
RESTARTS = {"standard": 1, "plus": 5, "rand": 1}  # of the untargeted parts; the reference's
EOT = 20  # the reference's `rand`
BACKENDS = ("redoubt", "pyautoattack")


def _stage(name: str, *, steps, queries, targets, restarts, eot, side_by_side) -> Stage:
    beside = {"targets": targets, "side_by_side": side_by_side}
    climb = {"steps": steps, "rho": apgd.RHO}
    cores = {
        "apgd_ce": partial(apgd.untargeted, apgd.cross_entropy, **climb, restarts=restarts, eot=eot),
        "apgd_dlr": partial(apgd.untargeted, apgd.dlr, **climb, restarts=restarts, eot=eot),
        "apgd_t": partial(apgd.targeted, **climb, **beside),
        "fab": partial(fab.untargeted, steps=steps, restarts=restarts),
        "fab_t": partial(fab.targeted, steps=steps, **beside),
        "square": partial(square_attack.search, queries=queries),
    }
    return Stage(name, cores[name]())


def _one_of(key: str, value: str, allowed) -> None:
    if value not in allowed:
        raise RedoubtError(
            f"unknown {key} of AutoAttack",
            key=key,
            value=value,
            allowed=allowed,
            nearest=nearest(value, allowed),
        )


def autoattack(
    model: Model, x: Tensor, y: Tensor, *, eps: float, norm: str = "linf", seed: int = 0, batch_size: int = 250,
    version: str = "standard", backend: str = "redoubt", steps: int = apgd.STEPS,
    queries: int = square_attack.QUERIES, targets: int = TARGETS,
    side_by_side: bool | None = None,
) -> AttackResult:  # fmt: skip
    """The ensemble; an example that one attack breaks is spared the rest.

    `standard`: APGD-CE, APGD-T, FAB-T, Square. `plus`: five restarts of the untargeted attacks, APGD-DLR and FAB in
    addition. `rand`, for models that draw at random: APGD-CE and APGD-DLR on the gradient and loss averaged over
    20 passes; `stages.in_stages` says how a point is judged. A model that is not random gains nothing from it.

    Fewer than 10 classes: as many targets as there are other classes. Fewer than 4, where the reference's DLR
    losses are undefined: see `losses.dlr` and `losses.targeted_dlr`.

    Args:
        x, y: (N, C, H, W) pixels in [0, 1] and (N,) true labels.
        eps, norm: the ball, in pixels.
        batch_size: examples that share random draws, which decide Square's answer and may decide a close one of
            APGD's; 250 is the reference's. It does not bound the memory: see `passes`.
        backend: `redoubt`, or `pyautoattack` for the reference itself.
        steps, queries, targets: AutoAttack's own by default; any other value is a different attack.
        side_by_side: run all targets but the first at once; default on a GPU only. See `apgd.targeted`.

    Raises:
        RedoubtError: see `stages.in_stages`; an unknown version or backend; pyautoattack is not installed or
            cannot run this.
    """
    _one_of("version", version, VERSIONS)
    _one_of("backend", backend, BACKENDS)
    settings: dict[str, Any] = {"steps": steps, "queries": queries, "targets": targets}
    shared: dict[str, Any] = {"eps": eps, "norm": norm, "seed": seed, "batch_size": batch_size}
    if backend == "pyautoattack":
        return reference(model, x, y, stages=VERSIONS[version], version=version, **settings, **shared)
    eot = EOT if version == "rand" else 1
    make = partial(_stage, restarts=RESTARTS[version], eot=eot, side_by_side=side_by_side)
    stages = [make(name, **settings) for name in VERSIONS[version]]
    return in_stages(
        model, x, y, stages, **shared,
        suite=version, backend=backend, **settings,
    )  # fmt: skip


def screen(
    model: Model, x: Tensor, y: Tensor, *, eps: float, norm: str = "linf", seed: int = 0, batch_size: int = 250,
    steps: int = apgd.STEPS, targets: int = TARGETS, side_by_side: bool | None = None,
) -> AttackResult:  # fmt: skip
    """APGD-CE, then APGD-T: a fifth of the passes of `standard`, weaker, and never to be reported as AutoAttack.

    Arguments as for `autoattack`.
    """
    make = partial(
        _stage, steps=steps, queries=0, targets=targets, restarts=1, eot=1, side_by_side=side_by_side
    )
    return in_stages(
        model, x, y, [make("apgd_ce"), make("apgd_t")], eps=eps, norm=norm, seed=seed, batch_size=batch_size,
        suite="screen", backend="redoubt", steps=steps, targets=targets,
    )  # fmt: skip
