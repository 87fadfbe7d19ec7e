"""The l2 perturbations of Square Attack: pyramids in pairs, laid out in tiles, moved from window to window."""

from functools import cache

import torch
from torch import Tensor

Window = tuple  # index of a (n, c, h, w) tensor


def signs(u: Tensor) -> Tensor:
    """-1 or 1 for uniform numbers (and 0 for exactly one half, as in the reference)."""
    return (2 * u - 1).sign()


def _pyramid(height: int, width: int) -> Tensor:
    """Falls from the centre in square rings, of unit l2 norm (paper, section 3.4, equation 2)."""
    rings = max(height // 2, width // 2) + 1
    value = (1 / torch.arange(1.0, rings + 1) ** 2).flip(0).cumsum(0).flip(0)
    rows = (torch.arange(height) - height // 2).abs()[:, None]
    columns = (torch.arange(width) - width // 2).abs()[None]
    found = value[torch.maximum(rows, columns)]
    return found / found.norm()


@cache
def bump(s: int) -> Tensor:
    """(s, s) a positive and a negative pyramid, one above the other, of unit l2 norm (paper, section 3.4)."""
    found = torch.cat([_pyramid(s // 2, s), -_pyramid(s - s // 2, s)])
    return found / found.norm()


def bumps(u: Tensor, s: int, n: int, c: int, device: torch.device) -> Tensor:
    """(n, c, s, s): one bump for all, on its side if u[0] > 0.5, with a sign for each example and channel."""
    shape = bump(s).T if u[0] > 0.5 else bump(s)
    return (shape * signs(u[1:]).view(n, c, 1, 1)).to(device)


def tiles(n: int, c: int, h: int, w: int, draws: torch.Generator, device: torch.device) -> Tensor:
    """(n, c, h, w) the start: bumps on the tiles of a grid of about 5 x 5."""
    delta = torch.zeros(n, c, h, w, device=device)
    s = max(h // 5, 1)
    edge = max((h - s * 5) // 2, 0)
    for top in range(edge, edge + h // s * s, s):
        for left in range(edge, edge + w // s * s, s):
            u = torch.rand(1 + n * c, generator=draws)
            # A tile may stick out of the image; the reference draws for it and adds what fits.
            window = delta[:, :, top : top + s, left : left + s]
            window += bumps(u, s, n, c, device)[:, :, : window.shape[2], : window.shape[3]]
    return delta


def scaled(delta: Tensor, eps: float) -> Tensor:
    """delta at l2 norm eps."""
    return delta / ((delta.flatten(1) ** 2).sum(1).sqrt().view(-1, 1, 1, 1) + 1e-12) * eps


def take_over(delta: Tensor, first: Window, second: Window, added: Tensor, eps: float) -> Tensor:
    """Moves the perturbation's mass of the second window to the first, as a bump (paper, algorithm 3), in place.

    Args:
        delta: (n, c, h, w).
        added: (n, c, s, s) from `bumps`.
    """

    def energy(v: Tensor, dims: tuple[int, ...]) -> Tensor:
        return (v * v).sum(dims, keepdim=True)

    unused = (eps**2 - energy(delta, (1, 2, 3))).clamp_min(0) / delta.shape[1]
    mass = energy(delta[first], (2, 3))
    moved = added + delta[first] / (1e-12 + mass.sqrt())
    delta[first] = 0
    mass = mass + energy(delta[second], (2, 3))
    delta[second] = 0
    delta[first] = moved / (1e-12 + energy(moved, (2, 3)).sqrt()) * (unused + mass).sqrt()
    return delta
