"""CURE's revision network, and what keeps theta consistent with it (arXiv 2401.14948, equations 7 and 8)."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.defenses.trades import kl
from redoubt.models.base import Classifier


class Revised(nn.Module):
    """theta with its revision network.

    Attributes:
        classifier: theta.
        revision: theta_rev; no gradient reaches it.
        t: 0-dim int64, steps taken since the revision network was set.
    """

    t: Tensor

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier, self.revision = classifier, copy.deepcopy(classifier).requires_grad_(False)
        self.register_buffer("t", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x)

    @torch.no_grad()
    def copy(self) -> None:
        """theta_rev <- theta, values only: the two never share storage, or revising would shrink theta."""
        self.revision.load_state_dict(self.classifier.state_dict())
        self.t.zero_()

    @torch.no_grad()
    def revise(self, d: float) -> None:
        """theta_rev <- d_t theta_rev + (1 - d_t) theta, equation 7, with d_t = min(1 - 1/(t + 1), d).

        Parameters only: batch norm's statistics are those that theta_rev gathers itself (authors' code).
        """
        rate = 1 - (1 - 1 / (self.t.double() + 1)).clamp(max=d)
        for theta_rev, theta in zip(self.revision.parameters(), self.classifier.parameters(), strict=True):
            theta_rev.lerp_(theta, rate.to(theta_rev.dtype))

    @torch.no_grad()
    def shrink(self, d: float) -> None:
        """theta <- d_t (2 - d_t) theta, and theta_rev <- it: equation 7 where the two share their storage.

        The released train_warmup.py (103-104) hands theta's tensors to theta_rev at every epoch from the switch on,
        and its update_ema_model_variables scales them in place before it adds them to themselves.
        """
        rate = (1 - 1 / (self.t.double() + 1)).clamp(max=d)
        for theta in self.classifier.parameters():
            theta.mul_((rate * (2 - rate)).to(theta.dtype))

    @torch.no_grad()
    def follow(self) -> None:
        """theta_rev <- theta, parameters only: what shared storage amounts to."""
        for theta_rev, theta in zip(self.revision.parameters(), self.classifier.parameters(), strict=True):
            theta_rev.copy_(theta)


def seen(network: Classifier, x: Tensor, maps: bool) -> tuple[Tensor, list[Tensor]]:
    """Logits (N, K) and, where `maps` asks for them, what stem and blocks give, in order."""
    if not maps:
        return network(x), []
    found = network.maps(x)
    return network.head(list(found.values())[-1].flatten(1)), [
        m for name, m in found.items() if name != "pool"
    ]


def pick(last: int) -> int:
    """A place from the end, -last to -1, drawn from torch's default generator."""
    return int(torch.randint(-last, 0, ()))


def attention(m: Tensor) -> Tensor:
    """The mean square over the channels of (N, C, H, W), flattened, of length 1: (N, H W)."""
    return F.normalize(m.pow(2).mean(1).flatten(1))


def consistency(
    kind: str, theta: tuple[Tensor, list[Tensor]], theta_rev: tuple[Tensor, list[Tensor]]
) -> Tensor:
    """A scalar that is 0 where theta and theta_rev, as `seen`, agree; theta_rev's side must be detached.

    Args:
        kind: `kl`, KL(p_rev || p), equation 8. The released kd_losses.py (79-134) has three more: `l2`, the mean
            square difference of the logits; `at`, that of the attention maps of one of the last two blocks;
            `fitnet`, that of the maps of one of the last three. Which one is drawn anew at each call.
    """
    (z, maps), (r, maps_rev) = theta, theta_rev
    if kind == "kl":
        return kl(r.log_softmax(1), z.log_softmax(1)).mean()
    if kind == "l2":
        return F.mse_loss(z, r)
    if kind == "at":
        at = pick(2)
        return F.mse_loss(attention(maps[at]), attention(maps_rev[at]))
    at = pick(3)
    return F.mse_loss(maps[at], maps_rev[at])
