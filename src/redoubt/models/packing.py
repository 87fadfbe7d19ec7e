"""An image with missing cells as the inpainter and the masked autoencoder take it: pixels, ones, mask."""

import torch
from torch import Tensor


def pack(z: Tensor, mask: Tensor) -> Tensor:
    """[z (1 - m), 1, m] along the channels, as AToP's generator takes it (DeepFill v2's input).

    Args:
        z: (N, C, H, W) in [-1, 1].
        mask: (N or 1, 1, H, W), 1 where a pixel is missing, 0 elsewhere.

    Returns:
        (N, C + 2, H, W).
    """
    mask = mask.to(z.dtype).expand(len(z), -1, -1, -1)
    return torch.cat([z * (1 - mask), torch.ones_like(mask), mask], dim=1)


def unpack(packed: Tensor) -> tuple[Tensor, Tensor]:
    """(masked image (N, C, H, W), mask (N, 1, H, W)) of what `pack` made."""
    return packed[:, :-2], packed[:, -1:]
