"""What the two discriminators share: spectral-norm convolutions, and the hinge losses of Miyato et al. 2018."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpectralConv(nn.Conv2d):
    """A convolution of stride 2 whose weight is divided by its largest singular value (model/networks.py 693-722).

    Each pass in training mode takes one step of the power iteration and divides the weight itself: no gradient goes
    through the singular value, the optimizer goes on from the divided weight, and scores that are compared have to
    come from one pass. In eval mode the weight stays as it is.
    """

    left: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(inputs, outputs, kernel, 2, kernel // 2)
        self.register_buffer("left", nn.init.trunc_normal_(torch.empty(outputs, 1)))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.divide()
        return super().forward(x)

    @torch.no_grad()
    def divide(self) -> None:
        """One step of the power iteration, then the division, both in float32 whatever the passes compute in."""
        with torch.autocast(self.weight.device.type, enabled=False):
            weight = self.weight.flatten(1)
            right = F.normalize(weight.t() @ self.left, dim=0)
            self.left.copy_(F.normalize(weight @ right, dim=0))
            self.weight.div_(self.left.t() @ weight @ right)


def leaky_conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """A convolution of stride 2 and spectral norm 1, and LeakyReLU 0.2."""
    return nn.Sequential(SpectralConv(inputs, outputs, kernel), nn.LeakyReLU(0.2))


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """0.5 E[relu(1 - D(real))] + 0.5 E[relu(1 + D(fake))]: what the discriminator minimises, a scalar.

    The generator's images have to be detached before `fake` is computed.
    """
    return 0.5 * F.relu(1 - real).mean() + 0.5 * F.relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """-E[D(fake)]: what the generator minimises, a scalar."""
    return -fake.mean()
