"""PSSR's pixel surgery: which pixels of an image a classifier's gradient calls salient, and what is left without them.

Known of the paper (arXiv 2402.00304, section 3.1, from a secondary source): the saliency is the gradient of the
prediction's probability, its mean is the threshold, and what reaches it is removed. Class, sign, channels, scope and
fill are a re-design under these constraints; each is a value of `Rule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redoubt.attacks.core.bpda import hard_mask
from redoubt.defenses.parameters.pssr import SurgeryParams
from redoubt.seeds import generator

BLUR = 5  # pixels of the box that the blur fill averages over; ours


@dataclass(frozen=True)
class Rule:
    """How an image is cut.

    Attributes:
        kept: trivial pixels; salient ones instead; as many random ones as there are trivial ones; or all.
        score: P is the probability or the logit of the class that the classifier predicts at the input.
        sign: |dP/dx| or dP/dx itself.
        channels: a map (H, W), the largest over the channels, or one for each channel.
        threshold: the mean of the single image's map, or the value that its `share` largest entries reach.
        share: of the pixels that `top` calls salient.
        fill: what stands where a pixel was removed, computed from kept pixels alone: 0; the mean of the channel;
            or the mean of the kept ones in a 5x5 neighborhood (of the channel, where there is none).
    """

    kept: Literal["trivial", "salient", "random", "all"] = "trivial"
    score: Literal["probability", "logit"] = "probability"
    sign: Literal["absolute", "signed"] = "absolute"
    channels: Literal["largest", "each"] = "largest"
    threshold: Literal["mean", "top"] = "mean"
    share: float = 0.3
    fill: Literal["zero", "mean", "blur"] = "zero"


def rule_of(params: SurgeryParams) -> Rule:
    """The fields of `Rule` among the hyper-parameters of a defense."""
    return Rule(**{name: getattr(params, name) for name in SurgeryParams.model_fields})


@dataclass(frozen=True)
class Parts:
    """An image taken apart.

    Attributes:
        salient, trivial: (N, C, H, W), M_s * x and M_t * x; they sum to x.
        mask: (N, 1 or C, H, W), M_s, 1 where a pixel is salient.
    """

    salient: Tensor
    trivial: Tensor
    mask: Tensor


class Surgery(nn.Module):
    """PS by the gradients of `classifier`, which has to be in eval mode: no label is used, and no weight changed.

    Args:
        classifier: [0, 1] pixels (N, C, H, W) to logits.
        rule: how images are cut.
    """

    def __init__(self, classifier: nn.Module, rule: Rule):
        super().__init__()
        self.classifier, self.rule = classifier, rule
        self.training = classifier.training

    def saliency(self, x: Tensor, create_graph: bool = False) -> Tensor:
        """S (N, 1 or C, H, W) of x, also where gradients are off; with `create_graph` it can be differentiated."""
        if create_graph and torch.is_grad_enabled():
            z = x if x.requires_grad else x.detach().requires_grad_()
            return self._map(z, create_graph=True)
        with torch.inference_mode(False), torch.enable_grad():
            return self._map(x.detach().clone().requires_grad_(), create_graph=False)

    def _map(self, z: Tensor, create_graph: bool) -> Tensor:
        logits = self.classifier(z)
        score = logits.softmax(1) if self.rule.score == "probability" else logits
        # No argmax inside P: the class is fixed, its probability moves.
        chosen = score.gather(1, logits.detach().argmax(1, keepdim=True))
        (slope,) = torch.autograd.grad(chosen.sum(), z, create_graph=create_graph)
        if self.rule.sign == "absolute":
            slope = slope.abs()
        return slope.amax(1, keepdim=True) if self.rule.channels == "largest" else slope

    def threshold(self, scores: Tensor) -> Tensor:
        """(N, 1, 1, 1): the value from which on an entry of the map is salient."""
        flat = scores.flatten(1)
        if self.rule.threshold == "mean":
            found = flat.mean(1)
        else:
            found = flat.topk(max(1, round(self.rule.share * flat.shape[1])), dim=1).values[:, -1]
        return found.view(-1, 1, 1, 1)

    def salient(self, x: Tensor) -> Tensor:
        """M_s (N, 1 or C, H, W), 1 where S reaches the threshold; nothing where the map is flat."""
        scores = self.saliency(x)
        return hard_mask(scores, self.threshold(scores)) * uneven(scores)

    def softened(self, x: Tensor, temperature: float) -> Tensor:
        """The mask of what is kept, with a sigmoid in place of the step and a gradient through S.

        Args:
            temperature: in units of the standard deviation of each image's map.

        Returns:
            (N, 1 or C, H, W) in [0, 1]; where there is no such mask (all or random pixels kept), the hard one.
        """
        if self.rule.kept in ("all", "random"):
            return self.mask(x)
        scores = self.saliency(x, create_graph=True)
        # The smallest number keeps the root's derivative finite where the map is flat.
        unit = (scores.flatten(1).var(1, correction=0) + torch.finfo(scores.dtype).tiny).sqrt()
        unit = unit.view(-1, 1, 1, 1)
        soft = ((scores - self.threshold(scores)) / (temperature * unit)).sigmoid() * uneven(scores)
        return 1 - soft if self.rule.kept == "trivial" else soft

    def parts(self, x: Tensor) -> Parts:
        """The salient and the trivial part of x, without fill."""
        mask = self.salient(x)
        return Parts(x * mask, x * (1 - mask), mask)

    def mask(self, x: Tensor, draws: torch.Generator | None = None) -> Tensor:
        """What is kept (N, 1 or C, H, W), 1 or 0, without a gradient.

        Args:
            draws: of the random pixels; without it one order of the pixels serves all images, so that the control
                gains nothing from being random at test time.
        """
        if self.rule.kept == "all":
            return torch.ones_like(x[:, :1])
        salient = self.salient(x)
        if self.rule.kept == "trivial":
            return 1 - salient
        return salient if self.rule.kept == "salient" else as_many(1 - salient, draws)

    def fill(self, x: Tensor, kept: Tensor) -> Tensor:
        """x (N, C, H, W) where `kept` is 1, the rule's fill where it is 0, their mixture between."""
        left = kept * x
        if self.rule.fill == "zero":
            return left
        kept = kept.expand_as(x)
        tiny = 1e-6
        other = left.sum((2, 3), keepdim=True) / kept.sum((2, 3), keepdim=True).clamp_min(tiny)
        if self.rule.fill == "blur":
            near = F.avg_pool2d(kept, BLUR, 1, BLUR // 2)
            mean = F.avg_pool2d(left, BLUR, 1, BLUR // 2) / near.clamp_min(tiny)
            other = torch.where(near > tiny, mean, other)
        return left + (1 - kept) * other

    def forward(self, x: Tensor, draws: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(what G sees (N, C, H, W), what was kept (N, 1 or C, H, W)). Gradients flow through kept pixels alone."""
        kept = self.mask(x, draws)
        return self.fill(x, kept), kept


def uneven(scores: Tensor) -> Tensor:
    """(N, 1, 1, 1), 0 for a map without any contrast: its mean says nothing, `>=` would remove the whole image."""
    flat = scores.detach().flatten(1)
    return (flat.amax(1) > flat.amin(1)).to(scores.dtype).view(-1, 1, 1, 1)


def as_many(pattern: Tensor, draws: torch.Generator | None) -> Tensor:
    """A mask with as many ones an image as `pattern` (N, 1 or C, H, W) has, in random places.

    Args:
        draws: of the places, other ones for each image; without it one order of the places serves all images.
    """
    flat = pattern.flatten(1)
    if draws is None:
        order = torch.rand(flat.shape[1], generator=generator("cpu", "pixels of the random mask"))
        order = order.to(flat.device).expand(flat.shape)
    else:
        order = torch.rand(flat.shape, generator=draws, device=flat.device)
    rank = order.argsort(1).argsort(1)
    return (rank < flat.sum(1, keepdim=True).round()).to(pattern.dtype).view_as(pattern)
