"""One-step attacks: FGSM, and FGSM after a random step. Fast, weak, and what iterative attacks are checked against."""

import torch
from torch import Tensor

from redoubt.attacks.core.engine import AttackResult, Counted, Model, batched
from redoubt.attacks.core.entry_exit import attack, finish
from redoubt.attacks.core.eot import expectation
from redoubt.attacks.core.losses import cross_entropy
from redoubt.attacks.core.pgd_step import step
from redoubt.errors import RedoubtError
from redoubt.seeds import generator


@attack("linf", "l2")
def fgsm(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    eot: int = 1,
) -> AttackResult:
    """One step of length eps along the sign of the cross-entropy's gradient (Goodfellow et al. 2015, section 4).

    For l2 the step is along the normalised gradient. The result is that point, also where the clean image was
    already misclassified: nothing is selected.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: radius in pixels.
        eot: gradients averaged, for a random model.

    Raises:
        RedoubtError: see `entry_exit.attack`.
    """
    counted = expectation(model, eot)
    x_adv = _one_step(counted, x, x, y, norm, eps, eps, batch_size)
    return finish(counted, x_adv, x, y, eps, norm, batch_size, seed=seed)


@attack("linf", "l2")
def rfgsm(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    alpha: float = 0.5,
    eot: int = 1,
) -> AttackResult:
    """R-FGSM (Tramer et al. 2018, eq. 7): a random step of length alpha eps, then a gradient step of the rest.

    The random step is along the sign of Gaussian noise (for l2 along the noise itself). It leaves the kink that
    gradient masking puts right at the data.

    Args:
        alpha: share of eps that the random step takes; one half as in the paper.

    Raises:
        RedoubtError: see `entry_exit.attack`; alpha outside [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise RedoubtError("a share of the radius lies between 0 and 1", key="alpha", value=alpha)
    counted = expectation(model, eot)
    noise = torch.empty_like(x).normal_(generator=generator(x.device, seed, "rfgsm"))
    start = step(x, noise, x, norm, eps, alpha * eps)
    x_adv = _one_step(counted, start, x, y, norm, eps, (1 - alpha) * eps, batch_size)
    return finish(counted, x_adv, x, y, eps, norm, batch_size, seed=seed)


def _one_step(
    model: Counted, start: Tensor, x: Tensor, y: Tensor, norm: str, eps: float, size: float, batch_size: int
) -> Tensor:
    def work(rows: slice) -> Tensor:
        loss = lambda logits: cross_entropy(logits, y[rows])
        _, gradient, _ = model.value_and_gradient(loss, start[rows])
        return step(start[rows], gradient.nan_to_num(0, 0, 0), x[rows], norm, eps, size)

    return batched(work, len(x), batch_size)
