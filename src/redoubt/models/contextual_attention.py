"""Contextual attention (Yu et al. 2018, section 4.1): what is missing borrows patches of what is known.

Batched matrix products over all images, each with its own mask, in place of the released loops of convolutions over
single images that share the mask of the first one.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHORTEST = 1e-4  # authors' code: model/networks.py 493-494, clamp_min of a patch's length


class ContextualAttention(nn.Module):
    """Rebuilds a feature map from patches of its own known part.

    Args:
        kernel: side of the patches that are compared, odd.
        rate: the map is compared at 1/rate of its resolution, and patches of side 2 rate are pasted, a half over the
            next. Rate 1, for tiny maps, pastes single places.
        scale: of the scores inside the softmax.
        known: side of the window around a patch's centre in which nothing may be missing for the patch to be used.
            The paper's is the whole patch. 1 asks for the centre only, for grids so coarse that almost no whole
            patch is known.
    """

    def __init__(self, kernel: int = 3, rate: int = 2, scale: float = 10.0, known: int = 3):
        super().__init__()
        self.kernel, self.rate, self.scale, self.known = kernel, rate, scale, known

    def weights(self, x: Tensor, missing: Tensor) -> Tensor:
        """How much of every patch (dimension 1, L) each place (dimension 2, L) takes, (N, L, L), L = H W / rate^2.

        A column sums to at most 1: as in the authors' code, patches that touch missing places have score 0 inside
        the softmax and weight 0 after it. All zero where nothing is known.
        """
        small = x[..., :: self.rate, :: self.rate]
        height, width = small.shape[-2:]
        places = small.flatten(2)
        products = _of_patches(places.transpose(1, 2) @ places, height, width, self.kernel)
        # Clamped under the root, whose derivative at 0 would be infinite: a patch of zeros takes part in no NaN.
        lengths = products.diagonal(dim1=1, dim2=2).clamp_min(SHORTEST**2).sqrt()
        scores = _fuse(products / lengths.unsqueeze(2), height, width)
        gaps = F.max_pool2d(missing, self.rate) if self.rate > 1 else missing
        if self.known > 1:
            gaps = F.max_pool2d(gaps, self.known, 1, self.known // 2)
        usable = (gaps == 0).to(x.dtype).flatten(1).unsqueeze(2)
        return torch.softmax(self.scale * usable * scores, dim=1) * usable

    def forward(self, x: Tensor, missing: Tensor) -> Tensor:
        """
        Args:
            x: (N, C, H, W); H and W are multiples of `rate`.
            missing: (N, 1, H, W), 1 where a place of the map is missing and 0 elsewhere.

        Returns:
            (N, C, H, W).
        """
        weights = self.weights(x, missing)
        if self.rate == 1:
            return (x.flatten(2) @ weights).view(x.shape)
        paste = {"kernel_size": 2 * self.rate, "padding": self.rate // 2, "stride": self.rate}
        return F.fold(F.unfold(x, **paste) @ weights, x.shape[-2:], **paste) / 4


def _of_patches(products: Tensor, height: int, width: int, kernel: int) -> Tensor:
    """Products of all pairs of places (N, L, L) -> of all pairs of patches around them, zero outside the map.

    The product of two patches is the sum over their places, which lie on a diagonal of the products of places: no
    patch is ever copied.
    """
    shape, edge = products.shape, kernel // 2
    s = F.pad(products.view(-1, height, width, height, width), (edge, edge, 0, 0, edge, edge))
    s = cast(Tensor, sum(s[:, :, i : i + width, :, i : i + width] for i in range(kernel)))
    s = F.pad(s, (0, 0, edge, edge, 0, 0, edge, edge))
    s = cast(Tensor, sum(s[:, i : i + height, :, i : i + height] for i in range(kernel)))
    return s.reshape(shape)


def _fuse(scores: Tensor, height: int, width: int) -> Tensor:
    """Adds the scores of the neighboring pairs, left and right, then above and below (equation 4).

    As in the authors' code the neighbors are those in the flattened map, so that the end of a row has the start of
    the next one beside it.
    """
    shape = scores.shape
    scores = _diagonal(scores).view(-1, height, width, height, width).permute(0, 2, 1, 4, 3)
    scores = _diagonal(scores.reshape(shape)).view(-1, width, height, width, height)
    return scores.permute(0, 2, 1, 4, 3).reshape(shape)


def _diagonal(s: Tensor) -> Tensor:
    padded = F.pad(s, (1, 1, 1, 1))
    return padded[:, :-2, :-2] + s + padded[:, 2:, 2:]
