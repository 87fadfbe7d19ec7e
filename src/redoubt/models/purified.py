"""A classifier behind a purifier: f(g(t(x))), differentiable from end to end."""

import torch
from torch import Tensor, nn

from redoubt.models.packing import pack
from redoubt.models.random_transforms import Draw, RandomTransform


class Purification(nn.Module):
    """g(t(x)): a random transform and the network that restores what it hid.

    Args:
        purifier: takes what `packing.pack` gives and returns a tuple of images in [-1, 1], the last one final.
        transform: t.
        rescaled: whether the purifier is fed [-1, 1]; else [0, 1], which the authors' evaluate.ipynb feeds it.
    """

    def __init__(self, purifier: nn.Module, transform: RandomTransform, rescaled: bool = True):
        super().__init__()
        self.purifier, self.transform, self.rescaled = purifier, transform, rescaled

    def restore(self, x: Tensor, draw: Draw) -> tuple[list[Tensor], Tensor]:
        """
        Args:
            x: (N, C, H, W) in [0, 1].
            draw: of `transform.draw`.

        Returns:
            The purifier's images (N, C, H, W) in [-1, 1], coarse ones first, and what was missing (N or 1, 1, H, W).
            With several masks the purifier sees the image once under each, and only what a mask hid is kept of its
            answer: no pixel of x survives.
        """
        z, parts = self.transform.noisy(x, draw), len(draw.masks)
        if self.rescaled:
            z = 2 * z - 1
        masks = draw.masks.expand(-1, len(x), -1, -1, -1)
        images = self.purifier(pack(z.repeat(parts, 1, 1, 1), masks.flatten(0, 1)))
        if parts == 1:
            return list(images), draw.masks[0]
        return [(image.view(parts, *x.shape) * masks).sum(0) for image in images], draw.masks.sum(0)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The purified image (N, C, H, W) in [0, 1] of x, under a fresh draw."""
        images, _ = self.restore(x, self.transform.draw(x, generator))
        return pixels(images[-1])


class Purified(nn.Module):
    """f(g(t(x))): [0, 1] pixels (N, C, H, W) to logits (N, K), under a fresh draw at every call."""

    def __init__(self, purification: Purification, classifier: nn.Module):
        super().__init__()
        self.purification, self.classifier = purification, classifier

    @property
    def draws_each_image(self) -> bool:
        """Whether the images of a batch share no draw."""
        transform = self.purification.transform
        return transform.masks == "image" and not transform.same_noise

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.purification(x))


def pixels(z: Tensor) -> Tensor:
    """[-1, 1] to [0, 1], the range that classifiers take."""
    return (z + 1) / 2
