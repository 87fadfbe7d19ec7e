"""PSSR deployed, f(G(PS(x))), and the gradients that an attacker may borrow or soften to get through its mask."""

from typing import Literal

import torch
from torch import Tensor, nn

from redoubt.attacks.core.bpda import replace_gradient
from redoubt.defenses.pixel_surgery import Surgery


class Regenerated(nn.Module):
    """f(G(PS(x))): [0, 1] pixels (N, C, H, W) to logits (N, K).

    The mask is made anew at every call. A step has no derivative almost everywhere, so the gradient with the mask
    held constant is the full one.
    """

    def __init__(self, surgery: Surgery, extrapolator: nn.Module):
        super().__init__()
        self.surgery, self.extrapolator = surgery, extrapolator
        self.training = extrapolator.training

    def cut(self, x: Tensor, draws: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(what G sees, what was kept), see `Surgery.forward`."""
        return self.surgery(x, draws)

    def restore(self, x: Tensor, draws: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(the restored image (N, C, H, W) in [0, 1], what was kept (N, 1 or C, H, W))."""
        image, kept = self.cut(x, draws)
        return self.extrapolator(image, kept), kept

    def forward(self, x: Tensor) -> Tensor:
        return self.surgery.classifier(self.restore(x)[0])


class Borrowed(Regenerated):
    """BPDA (Athalye et al. 2018): the same answers; backward, surgery is the identity or the frozen mask's product."""

    def __init__(self, surgery: Surgery, extrapolator: nn.Module, through: Literal["identity", "mask"]):
        super().__init__(surgery, extrapolator)
        self.through = through

    def cut(self, x: Tensor, draws: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        image, kept = self.surgery(x, draws)
        if not torch.is_grad_enabled():
            return image, kept
        return replace_gradient(image, x if self.through == "identity" else kept * x), kept


class Softened(Regenerated):
    """A sigmoid in place of the mask's step: the only surface whose gradient flows through the saliency itself.

    Its answers are not the deployed model's. Points found here count by `hard` alone.

    Attributes:
        temperature: of the sigmoid when called as a model, in units of the standard deviation of each saliency map.
    """

    def __init__(self, surgery: Surgery, extrapolator: nn.Module, temperature: float = 0.1):
        super().__init__(surgery, extrapolator)
        self.temperature = temperature

    def soften(self, x: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """(logits (N, K), the soft mask of what is kept (N, 1 or C, H, W)), gradients through both."""
        kept = self.surgery.softened(x, temperature)
        image = self.surgery.fill(x, kept)
        return self.surgery.classifier(self.extrapolator(image, kept)), kept

    def hard(self, x: Tensor) -> Tensor:
        """Logits (N, K) of the deployed model."""
        return super().forward(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.soften(x, self.temperature)[0]
