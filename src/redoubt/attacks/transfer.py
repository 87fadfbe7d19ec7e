"""Transfer: points crafted on a surrogate, judged on the target; needs no gradient of the target at all."""

from torch import Tensor

from redoubt import attacks
from redoubt.attacks.core.engine import AttackResult, Counted, Model
from redoubt.attacks.core.entry_exit import attack as checked
from redoubt.attacks.core.entry_exit import finish
from redoubt.errors import RedoubtError


@checked("linf", "l2")
def transfer(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    surrogate: Model,
    attack: str = "pgd",
    params: dict | None = None,
) -> AttackResult:
    """Any attack on `surrogate`, its points judged on `model`.

    Points that just fool the surrogate transfer badly, so an attack that can go on to its largest loss does
    (`early_stop` False), unless `params` says otherwise.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        surrogate: a model of the same classes.
        attack: the name of the attack on the surrogate.
        params: its parameters.

    Returns:
        The passes include those of the surrogate; `info` says how many examples the surrogate itself lost.

    Raises:
        RedoubtError: see `entry_exit.attack`, for either model; transfer of a transfer; an unknown attack.
    """
    if attack == "transfer":
        raise RedoubtError("points cannot be transferred twice", key="attack", value=attack)
    settings = dict(params or {})
    if "early_stop" in attacks.parameters(attack):
        settings.setdefault("early_stop", False)
    shared = {"eps": eps, "norm": norm, "seed": seed, "batch_size": batch_size}
    crafted = attacks.get(attack)(surrogate, x, y, **shared, **settings)
    counted = Counted(model)
    counted.forward, counted.backward = crafted.forward, crafted.backward
    counted.forward_calls, counted.backward_calls = crafted.calls
    fooled = int((~crafted.correct).sum())
    info = {"attack": attack, "params": settings, "surrogate_fooled": fooled}
    return finish(counted, crafted.x_adv, x, y, eps, norm, batch_size, seed=seed, **info)
