"""What the two discriminators share: spectral-norm convolutions, and the hinge losses of Miyato et al. 2018."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def leaky_conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """A convolution of stride 2 whose weight has spectral norm 1, and LeakyReLU 0.2."""
    conv = nn.Conv2d(inputs, outputs, kernel, 2, kernel // 2)
    nn.init.kaiming_uniform_(conv.weight, a=0.2)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return nn.Sequential(spectral_norm(conv), nn.LeakyReLU(0.2))


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """0.5 E[relu(1 - D(real))] + 0.5 E[relu(1 + D(fake))]: what the discriminator minimises, a scalar.

    The generator's images have to be detached before `fake` is computed.
    """
    return 0.5 * F.relu(1 - real).mean() + 0.5 * F.relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """-E[D(fake)]: what the generator minimises, a scalar."""
    return -fake.mean()
