"""PSSR's discriminator of identities (after ARN's attack discriminator): which attack an image was restored from."""

import torch
from torch import Tensor, nn

from redoubt.models.patch_discriminator import patch_discriminator


class IdentityDiscriminator(nn.Module):
    """The convolutions of the patch discriminator and a linear layer.

    It sees no mask: the mask of an adversarial image differs from that of a natural one whatever a generator does.

    Args:
        channels, image_size: of the images.
        identities: kinds that are told apart, `natural` among them.
    """

    def __init__(self, channels: int, image_size: int, identities: int):
        super().__init__()
        self.body = patch_discriminator(channels=channels, image_size=image_size)
        self.register_buffer("no_mask", torch.zeros(1, 1, image_size, image_size), persistent=False)
        with torch.no_grad():
            empty = torch.zeros(1, channels, image_size, image_size)
            entries = self.body.eval()(empty, self.no_mask).shape[1]
        self.body.train()
        self.last = nn.Linear(entries, identities)

    def forward(self, z: Tensor) -> Tensor:
        """Logits (N, identities) of images (N, C, H, W) in [-1, 1]."""
        return self.last(self.body(z, self.no_mask))
