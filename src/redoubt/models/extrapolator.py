"""PSSR's conditional alignment extrapolator G: what surgery left of an image to a whole image.

The paper's network is not known. This is a re-design after its neighbors HGD and CAFD: a U-Net that predicts the
image itself, not a residual on its input, since a residual would carry the attack along.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.errors import RedoubtError, nearest

# size: (channels of the resolutions from the image's down, convolutions at each)
SIZES = {
    "full": ((64, 128, 256, 256, 256), (2, 3, 3, 3, 3)),  # HGD's denoiser (Liao et al. 2018)
    "half": ((32, 64, 128, 128, 128), (2, 3, 3, 3, 3)),  # for MNIST
    "small": ((8, 16, 16), (1, 1, 1)),  # for 8x8 images on a CPU
}


def _convolutions(inputs: int, outputs: int, count: int, stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(count):
        conv = nn.Conv2d(outputs if i else inputs, outputs, 3, 1 if i else stride, 1, bias=False)
        layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class Extrapolator(nn.Module):
    """Encoder, mirrored decoder with skips and bilinear upsampling, 1x1 output through a sigmoid.

    Args:
        channels: of the image.
        widths, depths: see `SIZES`.
        dropout: probability that a channel is dropped, at the bottom and after each step up, in training mode. The
            two passes of R-Drop differ by it.
        mask_channel: the input has what was kept as one more channel.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        dropout: float,
        mask_channel: bool,
    ):
        super().__init__()
        self.mask_channel = mask_channel
        inputs = (channels + mask_channel, *widths[:-1])
        self.down = nn.ModuleList(
            _convolutions(i, o, d, stride=2 if level else 1)
            for level, (i, o, d) in enumerate(zip(inputs, widths, depths, strict=True))
        )
        self.up = nn.ModuleList(
            _convolutions(widths[i] + widths[i - 1], widths[i - 1], depths[i - 1])
            for i in range(len(widths) - 1, 0, -1)
        )
        self.drop = nn.Dropout2d(dropout)
        self.last = nn.Conv2d(widths[0], channels, 1)

    def forward(self, image: Tensor, kept: Tensor) -> Tensor:
        """
        Args:
            image: (N, C, H, W) in [0, 1], removed pixels filled.
            kept: (N, 1 or C, H, W), 1 where a pixel was kept; seen with `mask_channel` only, averaged over channels.

        Returns:
            (N, C, H, W) in [0, 1], the restored image.
        """
        x, skips = image, []
        if self.mask_channel:
            x = torch.cat([x, kept.mean(1, keepdim=True)], dim=1)
        for block in self.down:
            x = block(x)
            skips.append(x)
        x = self.drop(skips.pop())
        for block in self.up:
            skip = skips.pop()
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = self.drop(block(torch.cat([x, skip], dim=1)))
        return self.last(x).sigmoid()


def extrapolator(
    *,
    channels: int,
    image_size: int,
    size: str = "auto",
    dropout: float = 0.1,
    mask_channel: bool = False,
) -> Extrapolator:
    """The extrapolator for images of any size.

    Args:
        size: `full` (HGD's widths), `half`, `small`; `auto` is small below 16 pixels, half for one channel, else full.
        dropout, mask_channel: see `Extrapolator`.

    Raises:
        RedoubtError: an unknown size, or a dropout outside [0, 1).
    """
    if size == "auto":
        size = "small" if image_size < 16 else "half" if channels == 1 else "full"
    if size not in SIZES:
        allowed = ["auto", *SIZES]
        raise RedoubtError(
            "unknown size of the extrapolator",
            key="size",
            value=size,
            allowed=allowed,
            nearest=nearest(size, allowed),
        )
    if not 0 <= dropout < 1:
        raise RedoubtError("no probability", key="dropout", value=dropout, allowed="0 <= dropout < 1")
    return Extrapolator(channels, *SIZES[size], dropout, mask_channel)
