"""What PSSR's extrapolator is trained by: the forms of condition c1, the distance of c3, and adversarial R-Drop.

None of these forms is public for the paper: they are a re-design, see `redoubt.defenses.pssr`.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.defenses.trades import kl
from redoubt.models.identity_discriminator import IdentityDiscriminator
from redoubt.models.patch_discriminator import both_scores, patch_discriminator
from redoubt.models.spectral import discriminator_hinge, generator_hinge

Form = Literal["hinge", "relativistic", "identity"]


def semantic(z_x: Tensor, h_x: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """c3: KL(softmax f(x) || softmax f(x^)) + mean (h(x) - h(x^))^2, a scalar averaged over the batch.

    Args:
        z_x, z: (N, K) logits of natural and restored images.
        h_x, h: (N, D) penultimate features.
    """
    return kl(z_x.log_softmax(1), z.log_softmax(1)).mean() + F.mse_loss(h, h_x)


def adversarial_r_drop(z1: Tensor, z2: Tensor, y: Tensor, alpha: float) -> Tensor:
    """(CE(p1) + CE(p2)) / 2 + alpha (KL(p1 || p2) + KL(p2 || p1)) / 2 (R-Drop, Wu et al. 2021), a scalar.

    Args:
        z1, z2: (N, K) logits of two views of the same images.
        y: (N,) labels.
    """
    a, b = z1.log_softmax(1), z2.log_softmax(1)
    apart = kl(a, b).mean() + kl(b, a).mean()
    return 0.5 * (F.nll_loss(a, y) + F.nll_loss(b, y)) + alpha * 0.5 * apart


def relativistic(higher: Tensor, lower: Tensor) -> Tensor:
    """The relativistic average loss of CAFD: `higher` scores above the mean of `lower`, and the other way round."""
    return 0.5 * (F.softplus(lower.mean() - higher).mean() + F.softplus(lower - higher.mean()).mean())


def told_apart(logits: Tensor) -> Tensor:
    """ARN's loss of the discriminator: binary cross-entropies of (K N, K) logits with each image's own identity.

    Rows are K groups of equal size, one an identity, in order.
    """
    k = logits.shape[1]
    own = torch.eye(k, dtype=logits.dtype, device=logits.device).repeat_interleave(len(logits) // k, 0)
    return F.binary_cross_entropy_with_logits(logits, own)


def indistinct(logits: Tensor) -> Tensor:
    """ARN's loss of the generator: the same binary cross-entropies, with 1 / K for every identity."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 1 / logits.shape[1]))


def critic(form: Form, *, channels: int, image_size: int, identities: int) -> nn.Module:
    """A fresh discriminator of that form.

    Args:
        identities: natural images and each known attack; for `identity` alone.
    """
    if form == "identity":
        return IdentityDiscriminator(channels, image_size, identities)
    return patch_discriminator(channels=channels, image_size=image_size)


def critic_loss(form: Form, d: nn.Module, real: Tensor, restored: Tensor, removed: Tensor) -> Tensor:
    """What the discriminator minimizes, a scalar; the generator's images have to be detached.

    Args:
        real, restored: (K N, C, H, W) in [0, 1], natural images and G's answers, in groups of one identity each.
        removed: (K N, 1, H, W), the masks, which both are seen under.
    """
    if form == "identity":
        return told_apart(d(2 * restored - 1))
    scores = both_scores(d, 2 * real - 1, 2 * restored - 1, removed)
    return relativistic(*scores) if form == "relativistic" else discriminator_hinge(*scores)


def generator_loss(form: Form, d: nn.Module, real: Tensor, restored: Tensor, removed: Tensor) -> Tensor:
    """c1, what G minimizes of it, a scalar; arguments as for `critic_loss`."""
    if form == "identity":
        return indistinct(d(2 * restored - 1))
    if form == "hinge":
        return generator_hinge(d(2 * restored - 1, removed))
    of_real, of_restored = both_scores(d, 2 * real - 1, 2 * restored - 1, removed)
    return relativistic(of_restored, of_real)
