"""AToP's discriminator: SN-PatchGAN (Yu et al. 2019, section 3.3), one score for every patch of image and mask."""

import torch
from torch import Tensor, nn

from redoubt.models.spectral import leaky_conv

FULL = (64, 128, 256, 256, 256, 256)  # authors' code: 5x5 convolutions of stride 2


class PatchDiscriminator(nn.Module):
    """
    Args:
        channels: of the image.
        widths: outputs of the convolutions, each of which halves the image.
        kernel: of the convolutions.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = FULL, kernel: int = 5):
        super().__init__()
        inputs = (channels + 1, *widths[:-1])
        self.layers = nn.Sequential(*(leaky_conv(i, o, kernel) for i, o in zip(inputs, widths, strict=True)))

    def forward(self, z: Tensor, mask: Tensor) -> Tensor:
        """Scores (N, patches) of images (N, C, H, W) in [-1, 1] under masks (N or 1, 1, H, W), 1 = missing."""
        mask = mask.to(z.dtype).expand(len(z), -1, -1, -1)
        return self.layers(torch.cat([z, mask], dim=1)).flatten(1)


def both_scores(discriminator: nn.Module, real: Tensor, fake: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of natural images and of a generator's under the same masks, from one pass and so by the same weights."""
    mask = mask.expand(len(real), -1, -1, -1)
    scores = discriminator(torch.cat([real, fake]), torch.cat([mask, mask]))
    return scores[: len(real)], scores[len(real) :]


def patch_discriminator(*, channels: int, image_size: int) -> PatchDiscriminator:
    """The paper's network from 128 pixels; below, as many 3x3 layers as leave 2x2 patches, from 16 channels up."""
    if image_size >= 128:
        return PatchDiscriminator(channels)
    halvings = max(1, (image_size - 1).bit_length() - 1)
    return PatchDiscriminator(channels, tuple(min(16 * 2**i, 64) for i in range(halvings)), kernel=3)
