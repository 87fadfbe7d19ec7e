"""AToP's purifier: DeepFill v2's two-stage inpainter of gated convolutions, whole and as a small sibling.

Layers, widths and activations follow Yu et al. 2019 ("Free-form image inpainting with gated convolution") as AToP's
code has them (cnum 48). There is no normalisation layer and nothing random inside.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.errors import RedoubtError, nearest
from redoubt.models.contextual_attention import ContextualAttention
from redoubt.models.packing import unpack

LARGE = 128  # from this side the automatic size is the full one


class GatedELU(torch.autograd.Function):
    """ELU(a) sigmoid(b) of (N, 2 C, H, W) = [a, b].

    Elementary operations in both directions, and the input alone is kept: forward and backward take 0.25 ms where
    F.elu and sigmoid take 0.81 ms (median of 200, (128, 16, 8, 8), one thread of an AMD EPYC, torch 2.14.1). The
    backward pass is differentiable in its turn.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        a, b = x.chunk(2, dim=1)
        return (a.clamp_max(0).exp() - 1 + a.relu()) * b.sigmoid()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        a, b = x.chunk(2, dim=1)
        slope, gate = a.clamp_max(0).exp(), b.sigmoid()
        passed = gradient * gate
        return torch.cat([passed * slope, passed * (slope - 1 + a.relu()) * (1 - gate)], dim=1)


class GatedConv(nn.Module):
    """act(a) sigmoid(b), where a and b are the two halves of one convolution's channels; act is ELU, or ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1, act: str = "elu"
    ):
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(inputs, 2 * outputs, kernel, stride, padding, dilation)
        self.act = act
        _initialize(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.act == "elu":
            return GatedELU.apply(x)
        a, b = x.chunk(2, dim=1)
        return a.relu() * b.sigmoid()


def _initialize(conv: nn.Conv2d) -> None:
    nn.init.kaiming_uniform_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def _down(inputs: int, hidden: int, outputs: int, deep: bool) -> list[nn.Module]:
    if not deep:
        return [GatedConv(inputs, outputs, stride=2)]
    return [GatedConv(inputs, hidden, stride=2), GatedConv(hidden, outputs)]


def _encoder(
    inputs: int, widths: tuple[int, ...], hidden: tuple[int, ...], kernel: int, deep: bool
) -> list[nn.Module]:
    layers: list[nn.Module] = [GatedConv(inputs, widths[0], kernel)]
    for i, h in enumerate(hidden):
        layers += _down(widths[i], h, widths[i + 1], deep)
    return layers


def _decoder(outputs: int, widths: tuple[int, ...], deep: bool) -> list[nn.Module]:
    """Back to the full resolution, then to pixels; the last stage of the deep one narrows to half the stem."""
    layers: list[nn.Module] = []
    for i in range(len(widths) - 1, 0, -1):
        layers += [nn.UpsamplingNearest2d(scale_factor=2), GatedConv(widths[i], widths[i - 1])]
        if deep:
            layers.append(GatedConv(widths[i - 1], widths[i - 1] // (1 if i > 1 else 2)))
    # The released network leaves this layer as torch draws it (model/networks.py 9-22), but starts from the weights of
    # Places2. From random ones that start stayed gray on digits: natural accuracy 10 % instead of 81 % (one seed).
    last = nn.Conv2d(widths[0] // 2 if deep else widths[0], outputs, 3, padding=1)
    _initialize(last)
    return [*layers, last, nn.Tanh()]


def _dilated(width: int, dilations: tuple[int, ...]) -> list[nn.Module]:
    return [GatedConv(width, width, dilation=d) for d in dilations]


class Inpainter(nn.Module):
    """Coarse stage, its result pasted into the holes, fine stage of two branches.

    Args:
        channels: of the image.
        widths: channels after gating, of the stem and after each halving.
        dilations: of the bottleneck, before the layers that close it.
        closing: plain layers that close the bottlenecks.
        kernel: of the stems.
        deep: a second layer after each halving and doubling.
        rate, known: of the contextual attention.
    """

    def __init__(
        self,
        channels: int,
        *,
        widths: tuple[int, ...],
        dilations: tuple[int, ...],
        closing: int,
        kernel: int,
        deep: bool,
        rate: int,
        known: int,
    ):
        super().__init__()
        wide = widths[-1]
        plain = (1,) * closing
        self.stride = 2 ** (len(widths) - 1)
        self.coarse = nn.Sequential(
            *_encoder(channels + 2, widths, widths[1:], kernel, deep),
            *_dilated(wide, (*dilations, *plain)),
            *_decoder(channels, widths, deep),
        )
        self.dilated = nn.Sequential(
            *_encoder(channels, widths, widths[:-1], kernel, deep), *_dilated(wide, dilations)
        )
        self.matched = nn.Sequential(
            *_encoder(channels, widths, (*widths[:-2], wide), kernel, deep), GatedConv(wide, wide, act="relu")
        )
        self.attention = ContextualAttention(rate=rate, known=known)
        self.attended = nn.Sequential(*_dilated(wide, plain))
        self.united = nn.Sequential(
            GatedConv(2 * wide, wide), *_dilated(wide, plain[1:]), *_decoder(channels, widths, deep)
        )

    def forward(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            packed: (N, C + 2, H, W) from `packing.pack`; every image may have its own mask.

        Returns:
            (coarse, fine), each (N, C, H, W) in [-1, 1]. The fine one is the purified image; it is regenerated
            whole, known pixels too.
        """
        z, mask = unpack(packed)
        coarse = self.coarse(packed)
        pasted = coarse * mask + z * (1 - mask)
        missing = F.max_pool2d(mask, self.stride)
        borrowed = self.attended(self.attention(self.matched(pasted), missing))
        return coarse, self.united(torch.cat([self.dilated(pasted), borrowed], dim=1))


def inpainter(*, channels: int, image_size: int, size: str = "auto", width: int | None = None) -> Inpainter:
    """The inpainter for images of one size.

    Args:
        size: `full` is DeepFill v2 (paper: cnum 48, 4.1 M parameters for RGB; sides that are multiples of 8);
            `small` is ours for digits, MNIST and 32x32 images: the same stages with fewer and narrower layers,
            halved until the features are at most 16x16; `auto` is `full` from 128 pixels.
        width: channels after the stem's gate, default 24 (full) and 8 (small).

    Raises:
        RedoubtError: an unknown size, or images that cannot be halved as often as needed.
    """
    allowed = ("auto", "full", "small")
    if size not in allowed:
        raise RedoubtError(
            "unknown size of the inpainter",
            key="size",
            value=size,
            allowed=allowed,
            nearest=nearest(size, allowed),
        )
    if size == "full" or (size == "auto" and image_size >= LARGE):
        width, rate, halvings = width or 24, 2, 2
        shape: dict[str, Any] = {
            "widths": (width, 2 * width, 4 * width),
            "dilations": (1, 2, 4, 8, 16),
            "closing": 2,
            "kernel": 5,
            "deep": True,
            "known": 3,
        }
    else:
        width, rate = width or 8, 2 if image_size >= 16 else 1
        halvings = max(1, (max(image_size, 1) - 1).bit_length() - 4)
        shape = {
            "widths": (width, *(2 * width,) * halvings),
            "dilations": (2,),
            "closing": 0,
            "kernel": 3,
            "deep": False,
            "known": 1,
        }
    multiple = rate * 2**halvings
    if image_size % multiple:
        raise RedoubtError(
            "the inpainter cannot halve these images",
            key="image_size",
            value=image_size,
            allowed=f"multiples of {multiple} for this size",
            hint="pad the images, or ask for size: small",
        )
    return Inpainter(channels, rate=rate, **shape)
