"""How every attack begins and ends: its checked entry, and a fresh float32 prediction that decides.

What left the ball or the pixel range is refused, never recorded. A random model is also judged on repeated fresh
predictions, and what they say goes into `AttackResult.info`.
"""

import functools
import inspect
from collections.abc import Callable

import torch
from torch import Tensor

from redoubt.attacks.core.affine_batch_norm import affine_norms
from redoubt.attacks.core.checked_input import NORMS, Model, check_input
from redoubt.attacks.core.engine import AttackResult, Counted, distance, frozen, predict
from redoubt.attacks.core.eot import DRAWS, is_random, repeated
from redoubt.errors import RedoubtError

SLACK = (
    1e-5  # float32 rounding of x + delta, in pixels of the norm; scaled by the radius where that is above 1
)


def attack(*norms: str, bounded: bool = True, covers: bool = False) -> Callable:
    """Makes a function an attack: checked input, frozen parameters, and the cases without anything to do.

    An empty batch gives an empty result; a radius of 0 gives the clean prediction (unless `bounded` is False:
    then eps is not the radius of a ball).

    Args:
        norms: those that the attack exists for.
        covers: its radius may cover the pixel range, see `checked_input.check_input`.

    Raises:
        RedoubtError: on a call, see `checked_input.check_input`; a norm that the attack does not exist for.
    """

    def wrap(function: Callable) -> Callable:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def run(model: Model, x: Tensor, y: Tensor, **arguments) -> AttackResult:
            given = signature.bind(model, x, y, **arguments)
            given.apply_defaults()
            eps, norm, batch_size = (given.arguments[k] for k in ("eps", "norm", "batch_size"))
            x, y = check_input(model, x, y, eps, norm, covers or not bounded)
            if norm not in norms:
                raise RedoubtError(
                    f"{function.__name__} does not exist for this norm", value=norm, allowed=norms
                )
            with frozen(model), affine_norms(model):
                if len(x) == 0 or (bounded and eps == 0):
                    return finish(
                        Counted(model), x, x, y, eps, norm, batch_size, seed=given.arguments["seed"]
                    )
                return function(model, x, y, **arguments)

        return run

    return wrap


def predictions(model: Counted, x: Tensor, batch_size: int) -> Tensor:
    """(N,) predicted classes, fresh and in float32."""
    return predict(model, x, batch_size).argmax(1)


def check_within(x_adv: Tensor, x: Tensor, eps: float, norm: str | None) -> None:
    """Refuses images that left [0, 1] or, unless the norm is None, the ball of radius eps around x.

    Raises:
        RedoubtError: naming the largest distance and the range of the pixels.
    """
    if x_adv.shape != x.shape:
        raise RedoubtError(
            "the attack changed the images' shape", value=tuple(x_adv.shape), allowed=str(tuple(x.shape))
        )
    if not len(x):
        return
    low, high = x_adv.min().item(), x_adv.max().item()
    largest = distance(x_adv, x, norm or NORMS[0]).max().item()
    limit = eps + SLACK * max(1.0, eps) if norm else float("inf")
    if not (low >= 0 and high <= 1 and largest <= limit):  # written so that NaN fails too
        raise RedoubtError(
            "the attack left what it may change: no number was recorded",
            value=f"pixels {low:.6g} to {high:.6g}, distance {largest:.6g}",
            allowed=f"pixels 0 to 1, distance up to {eps}",
        )


def finish(
    model: Counted,
    x_adv: Tensor,
    x: Tensor,
    y: Tensor,
    eps: float,
    norm: str | None,
    batch_size: int,
    seed: int = 0,
    **info,
) -> AttackResult:
    """The result of an attack that may move x by at most eps; `norm` None: by anything inside [0, 1].

    `correct` is one fresh prediction of the final points, so nothing that happened during the attack can decide it.
    For a random model that is one unselected draw, whose mean over the examples is unbiased; `info["random"]`
    then holds the mean and the worst case of `eot.DRAWS` further draws.

    Raises:
        RedoubtError: a perturbed image left [0, 1] or the ball, or a logit is not finite.
    """
    check_within(x_adv, x, eps, norm)
    correct = predictions(model, x_adv, batch_size) == y
    if is_random(model.model, x_adv):
        draws = repeated(model, x_adv, y, DRAWS, seed, batch_size)
        info = {**info, "random": draws.summary()}
    return AttackResult(x_adv.detach(), correct, model.forward, model.backward, model.calls, info)


def finish_minimal(
    model: Counted,
    found: Tensor,
    norms: Tensor,
    x: Tensor,
    y: Tensor,
    eps: float,
    norm: str,
    batch_size: int,
    seed: int,
) -> AttackResult:
    """The result of an attack that looks for the smallest perturbation.

    An example whose smallest one is beyond eps stands and gets its clean image back. `info` holds what the
    attack is for: how many were broken at any distance, and the quartiles of the distance.

    Args:
        found: (N, C, H, W) adversarial points, any distance away.
        norms: (N,) their distance; inf where none was found.
    """
    inside = norms <= eps
    x_adv = torch.where(inside.view(-1, 1, 1, 1), found, x)
    broken = norms[norms.isfinite()]
    quartiles = (
        broken.quantile(torch.tensor([0.25, 0.5, 0.75], device=x.device)).tolist() if len(broken) else []
    )
    info = {"broken_at_any_distance": len(broken), "distance_quartiles": [round(q, 6) for q in quartiles]}
    return finish(model, x_adv, x, y, eps, norm, batch_size, seed=seed, **info)
