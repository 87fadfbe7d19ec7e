"""Signs that the white-box attacks of a probe were misled: what needs no gradient, or no softmax, does better.

| check | sign of trouble |
| --- | --- |
| probe_gradient_predicts | a short step changes the margin otherwise than the gradient says |
| probe_logits_contrast | logits so alike that the softmax is flat |
| probe_logits_saturate | logits at the ends of a bounded range, where they have no gradient |
| probe_logit_scale | the margin, which knows no scale, breaks more than the cross-entropy |
| probe_black_box_not_stronger | a short Square Attack breaks what no gradient does |

The first and the last are signs of Athalye et al. (2018, section 3.1) and of the checklist of Carlini et al. (2019).
That the scale of logits decides what the cross-entropy finds is shown by Croce and Hein (2020, section 4); a saturating
head is what Carlini and Wagner (2017) found in defensive distillation. Tramer et al. (2020, "On Adaptive Attacks to
Adversarial Example Defenses") broke k-winners-take-all, whose logits jump between neighboring points, by estimating
gradients over larger steps; the first check looks for such jumps.

Limits are ours. Of 39 honest networks on 8x8 digits (linear to WRN, undefended and adversarially trained; 32 images,
linf 0.15) none came near: the gradient was wrong at 1.6 % of their points at most, and at 15 % or more of those of
k-winners-take-all, straight-through quantization and 10 tanh(3z); 0.9 % of their logits lay at an end, and 40 % or more
of a saturating head's. The margin broke up to 0.28 of the images that the cross-entropy did not (l2 0.8, logits of a
spread of 1), and 0.9 of those of an undefended network whose logits were scaled by 100.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from redoubt.attacks.core.engine import Counted, predict
from redoubt.attacks.core.losses import margin
from redoubt.attacks.core.pgd_step import random_start, step
from redoubt.evaluation.checks import CONVERGED, check
from redoubt.evaluation.subject import STEPS, Subject
from redoubt.seeds import generator

POINTS = 4  # where an image's gradient is held against a step: the image and random points of its ball
STEP = 0.1  # of eps, at most
CHANGE = 0.05  # of the logits' spread, what a step is to change the margin by, at most
WRONG = 0.5  # share of the change said that the true change may differ by
ROUNDING = 1e-4  # of the largest logit: a difference that is float32's own
LYING = 0.1
CONTRAST = 0.1  # of logits: a softmax of them differs from the uniform one by less than that
END = 1e-3  # of the range of all logits
SATURATED = 0.25
SCALED = 0.4
QUERIES = 200


def predicts(s: Subject) -> Iterator[dict]:
    """Whether a short step along the gradient changes the margin by what the gradient says. Not asked of random models.

    For networks without jumps the two agree to a few percent (Athalye et al. 2018, section 3.1: shattered gradients).
    Where the main attacks broke every image that is probed, gradients that lie have hidden nothing.
    """
    if s.random:
        return
    draws, counted = generator(s.x.device, s.seed, "points of a probe's gradients"), Counted(s.model)
    points = [s.x, *(random_start(s.x, s.norm, s.eps, draws) for _ in range(POINTS - 1))]
    wrong = torch.stack([_wrong(s, counted, z) for z in points]).float().mean().item()
    asked = POINTS * len(s.x)
    why = f"share of {asked} points whose gradient does not say what a step of {STEP:g} eps or less does to the margin"
    broken = s.known is not None and not s.known.any()
    if broken:
        why += "; the main attacks broke every image asked, so nothing is hidden behind it"
    yield check("probe_gradient_predicts", wrong, LYING, broken or wrong <= LYING, why)


def _wrong(s: Subject, counted: Counted, z: Tensor) -> Tensor:
    """(N,) bool: the change of the margin over a short step differs from what its gradient says."""
    before, gradient, _ = counted.value_and_gradient(lambda logits: margin(logits, s.y), z)
    flat = gradient.flatten(1)
    dual = flat.abs().sum(1) if s.norm == "linf" else flat.norm(dim=1)
    size = (CHANGE * _spread(s).median() / dual.clamp_min(1e-30)).clamp_max(STEP * s.eps)
    there = step(z, gradient, z, s.norm, STEP * s.eps, size.view(-1, 1, 1, 1))
    said = (gradient * (there - z)).flatten(1).sum(1)
    found = margin(predict(s.model, there, len(z)), s.y) - before
    # Written so that NaN is wrong too.
    return ~((found - said).abs() <= WRONG * said.abs() + ROUNDING * s.logits.abs().max())


def _spread(s: Subject) -> Tensor:
    return s.logits.amax(1) - s.logits.amin(1)


def scale(s: Subject) -> Iterator[dict]:
    """Whether the logits' scale or range decides what a loss on them finds."""
    contrast = _spread(s).median().item()
    why = (
        "median of largest minus smallest logit; below the limit the softmax is flat whatever the prediction"
    )
    yield check("probe_logits_contrast", contrast, CONTRAST, contrast >= CONTRAST, why)

    low, high = s.logits.min(), s.logits.max()
    near = END * (high - low)
    ends = ((s.logits > high - near) | (s.logits < low + near)).float().mean().item()
    why = (
        f"share of the logits within {END:.1%} of the largest or smallest of all: a head that saturates there"
    )
    yield check("probe_logits_saturate", ends, SATURATED, ends <= SATURATED, why)

    stood, limit, others = s.short >= 0.5, SCALED, f"PGD-{STEPS} on the cross-entropy"
    if s.known is not None:
        stood, limit, others = s.known, CONVERGED, "the main attacks"
    limit = max(limit, 2 * s.allowance)
    missed = (stood & (s.by_margin < 0.5)).float().mean().item()
    why = f"share of images that stand under {others} and break under PGD-{STEPS} on the margin, which knows no scale"
    yield check("probe_logit_scale", missed, round(limit, 6), missed <= limit, why)


def black_box(s: Subject) -> Iterator[dict]:
    """A short Square Attack breaks what no gradient attack of this probe does (Carlini et al. 2019, the checklist)."""
    square = s.attacked("square", queries=QUERIES, batch_size=len(s.x))
    white = torch.stack([s.short, s.long, s.by_margin]).amin(0)
    only = ((white >= 0.5) & (square < 0.5)).float().mean().item()
    why = f"share of images that Square with {QUERIES} queries breaks and PGD with up to {4 * STEPS} steps does not"
    yield check("probe_black_box_not_stronger", only, round(s.allowance, 6), only <= s.allowance, why)
