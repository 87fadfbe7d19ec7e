"""The smallest radius at which an attack fools a model, image by image: CURE's figure 8."""

import torch
from torch import Tensor, nn

from redoubt import attacks


def smallest(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    norm: str,
    largest: float,
    halvings: int = 7,
    steps: int = 20,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """A bisection over the radius of PGD. The authors use Foolbox; a radius found here is an upper bound as well.

    Args:
        largest: radius to begin from, in pixels of [0, 1].
        halvings: the radius is known to largest / 2 ** halvings.

    Returns:
        (N,) radius, 0 for an image that is wrong as it is and `inf` where the largest radius does not fool; and the
        (N, C, H, W) images that fool at that radius, or the natural ones.
    """
    with torch.no_grad():
        right = model(x).argmax(1) == y
    low, high = torch.zeros(len(x)), torch.full((len(x),), float("inf"))
    high[~right] = 0.0
    fooling = x.clone()
    radius = torch.full((len(x),), float(largest))
    for _ in range(halvings + 1):
        for i in right.nonzero().flatten().tolist():
            eps = float(radius[i])
            found = attacks.get("pgd")(
                model,
                x[i : i + 1],
                y[i : i + 1],
                eps=eps,
                norm=norm,
                seed=seed,
                steps=steps,
                step_size=eps / 4,
            )
            if found.correct.item():
                low[i] = eps
            else:
                high[i], fooling[i] = eps, found.x_adv[0]
        # An image that the largest radius did not fool stays there.
        radius = torch.where(high.isinf(), radius, (low + high) / 2)
    return high, fooling
