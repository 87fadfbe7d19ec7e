"""AToP's random transforms (arXiv 2401.16352): RT1 hides cells of the image, RT2 adds noise first, RT3 hides all of it.

Every image, of whatever resolution, is a grid of 8x8 cells, as in the released code, where 256 pixels have cells of 32.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["none", "rt1", "rt2", "rt3"]
Masks = Literal["image", "batch", "fixed"]
FIXED = 0  # seed of the draws that never change


@dataclass(frozen=True)
class Draw:
    """What one application of a transform drew.

    Attributes:
        noise: (N or 1, C, H, W), added to pixels of [0, 1]; None where there is none.
        masks: (P, N or 1, 1, H, W), 1 = missing. P is 1, or the number of RT3's parts, which are disjoint and cover
            the image together.
    """

    noise: Tensor | None
    masks: Tensor


@dataclass(frozen=True)
class RandomTransform:
    """t of f(g(t(x))).

    Attributes:
        kind: rt1 (mask), rt2 (noise, then mask), rt3 (noise once, then disjoint masks that cover everything), or none.
        missing: share of the cells that a mask of rt1 and rt2 hides, rounded down to whole cells.
        noise: standard deviation, in pixels of [0, 1].
        parts: masks of rt3.
        masks: a mask for each image, one for the batch, or the same one at every call.
        same_noise: the same noise for all images at every call, for the control of an attack without randomness.
        grid: cells along a side.
    """

    kind: Kind
    missing: float
    noise: float
    parts: int
    masks: Masks
    same_noise: bool = False
    grid: int = 8

    @property
    def random(self) -> bool:
        """Whether two calls differ."""
        noisy = self.kind in ("rt2", "rt3") and self.noise > 0 and not self.same_noise
        return noisy or (self.kind != "none" and self.masks != "fixed")

    def fixed(self) -> "RandomTransform":
        """The same transform with one draw for all images and all calls."""
        return replace(self, masks="fixed", same_noise=True)

    def draw(self, x: Tensor, generator: torch.Generator | None = None) -> Draw:
        """Draws for images x (N, C, H, W), from `generator` or torch's default one."""
        noise = None
        if self.kind in ("rt2", "rt3") and self.noise:
            shape, source = (x[:1].shape, _always(x)) if self.same_noise else (x.shape, generator)
            noise = self.noise * torch.randn(shape, generator=source, device=x.device, dtype=x.dtype)
        return Draw(noise, self._masks(x, generator))

    def _masks(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        n, _, height, width = x.shape
        if self.kind == "none":
            return x.new_zeros(1, 1, 1, height, width)
        source = _always(x) if self.masks == "fixed" else generator
        rows, cells = n if self.masks == "image" else 1, self.grid**2
        # The rank of independent uniform numbers is a uniform permutation: exact counts, no replacement.
        rank = torch.rand(rows, cells, generator=source, device=x.device).argsort(1).argsort(1)
        if self.kind == "rt3":
            part = rank * self.parts // cells
            hidden = torch.stack([part == k for k in range(self.parts)])
        else:
            hidden = (rank < int(self.missing * cells))[None]
        hidden = hidden.view(-1, rows, 1, self.grid, self.grid).to(x.dtype)
        return hidden[..., _cell(height, self.grid, x), :][..., _cell(width, self.grid, x)]

    def noisy(self, x: Tensor, draw: Draw) -> Tensor:
        """x with the draw's noise, clipped to [0, 1]; the masks are applied where the purifier's input is packed."""
        return x if draw.noise is None else (x + draw.noise).clamp(0, 1)


def _always(x: Tensor) -> torch.Generator:
    return torch.Generator(x.device).manual_seed(FIXED)


def _cell(side: int, grid: int, x: Tensor) -> Tensor:
    return torch.arange(side, device=x.device) * grid // side
