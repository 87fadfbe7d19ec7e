"""Whether a model can be attacked by its gradient at all: short experiments on a few dozen images.

`probe` returns the same lines as `checks`, for the result record. It costs about 12,000 forward and backward
passes of one image, and 10,000 forward ones, most of them the Square Attack's; the limits are ours unless a source is
named. What the experiments look for are the signs of masked gradients that Athalye et al. (2018, section 3.1) list and
the checklist of Carlini et al. (2019) asks for; those of `masking` are set against attacks that need no gradient.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from redoubt import attacks
from redoubt.attacks.core.checked_input import Model, any_radius, check_input
from redoubt.attacks.core.engine import Counted, answer, frozen, predict
from redoubt.attacks.core.eot import is_random
from redoubt.attacks.core.losses import cross_entropy
from redoubt.attacks.core.pgd_step import random_start
from redoubt.evaluation.checks import CONVERGED, check
from redoubt.evaluation.masking import black_box, predicts, scale
from redoubt.evaluation.subject import STEPS, Subject
from redoubt.seeds import derive, generator

IMAGES = 32
IMAGES_OF_RANDOM = 16  # each pass of theirs is ten
EXP_UNDERFLOWS = 88.0  # exp(-88) is the smallest normal float32: beyond it a softmax has no gradient
RANDOM_POINTS = 100


def probe(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    images: int = IMAGES,
    stands: Tensor | None = None,
) -> list[dict]:
    """Checks that need the model, on the first images that it classifies correctly.

    Args:
        model: from (N, C, H, W) in [0, 1] to logits (N, K), in eval mode.
        x, y: (N, C, H, W) and (N,), any number; the first `images` that are classified correctly are used.
        eps, norm: the threat model under test.
        seed: of every draw.
        stands: (N,) bool, which images survived the attacks whose number is to be believed; None where there are none.

    Returns:
        One {"name", "value", "limit", "passed", "why"} a check, all starting with "probe_". The first says how many
        images were asked; where the model classifies none correctly it fails and stands alone.

    Raises:
        RedoubtError: see `checked_input.check_input`.
    """
    with _same_draws(x):  # a random model draws after this as if nothing had looked at it
        x, y = check_input(model, x, y, eps, norm)
    n, right = len(x), predict(model, x, 256).argmax(1) == y
    stands = None if stands is None else stands.to(x.device)[right][:images]
    x, y = x[right][:images], y[right][:images]
    if not len(x):
        why = f"no image of {n} is classified correctly: nothing could be probed, and no check was asked"
        return [check("probe_images", 0, 1, False, why)]
    if random := is_random(model, x):
        x, y = x[:IMAGES_OF_RANDOM], y[:IMAGES_OF_RANDOM]
    subject = Subject(model, x, y, eps, norm, seed, random, stands)
    asked = check("probe_images", len(x), 1, True, "images, classified correctly, that the probes look at")
    # The curve over radii goes to twice eps, which may cover the pixel range.
    with frozen(model), _same_draws(x), any_radius():
        torch.manual_seed(derive(seed, "probe"))
        experiments = (
            *(_answers, _gradients, _effort, _radius, _batches, _fixed_draws),
            *(predicts, scale, black_box),
        )
        return [asked, *(line for experiment in experiments for line in experiment(subject))]


def _same_draws(x: Tensor):
    """The default generators are after as they were before."""
    return torch.random.fork_rng(devices=[x.device] if getattr(x, "is_cuda", False) else [])


def _answers(s: Subject) -> Iterator[dict]:
    """Determinism, and whether the logits are in a range in which the losses have gradients."""
    logits = s.logits
    why = "1: two passes over the same images differ, so attacks need EOT and repeated predictions"
    yield check("probe_random", s.random, 1, True, why)

    spread = (logits.amax(1) - logits.amin(1)).quantile(0.9).item()
    why = "90 % quantile of largest minus smallest logit; beyond the limit a float32 softmax underflows"
    yield check("probe_logits_range", spread, EXP_UNDERFLOWS, spread <= EXP_UNDERFLOWS, why)

    if logits.shape[1] >= 3:
        top = logits.topk(3).values
        ratio = ((top[:, 0] - top[:, 2]) / logits.abs().amax(1).clamp_min(1e-12)).median().item()
        why = "median of DLR's denominator relative to the logits; below the limit DLR is rounding noise"
        yield check("probe_dlr_scale", ratio, 1e-4, ratio >= 1e-4, why)


def _gradients(s: Subject) -> Iterator[dict]:
    """Zero or non-finite gradients of the cross-entropy at the clean images (Athalye et al. 2018: shattered)."""
    _, gradient, _ = Counted(s.model).value_and_gradient(lambda logits: cross_entropy(logits, s.y), s.x)
    flat = gradient.flatten(1)
    bad = (~flat.isfinite().all(1) | (flat == 0).all(1)).float().mean().item()
    why = "share of images with a zero or NaN gradient"
    if not _has_path(s):
        why += ": no gradient leads from the logits to the pixels, and attacks by gradient are blind"
    yield check("probe_useless_gradients", bad, 0.05, bad <= 0.05, why)


def _has_path(s: Subject) -> bool:
    """Whether the logits hang on the pixels by anything that torch could differentiate."""
    with _same_draws(s.x), torch.enable_grad():
        return answer(s.model, s.x[:1].clone().requires_grad_()).requires_grad


def _effort(s: Subject) -> Iterator[dict]:
    """One step, many steps, more steps and restarts, and no gradient at all."""
    base = s.short
    one_step = attacks.get("fgsm")(s.model, s.x, s.y, eps=s.eps, norm=s.norm, batch_size=len(s.x))
    one = s.judge(one_step.x_adv)
    gap = (base.mean() - one.mean()).item()
    why = f"accuracy under PGD-{STEPS} minus that under FGSM, {len(s.x)} images"
    yield check("probe_iterative_at_least_one_step", gap, s.allowance, gap <= s.allowance, why)

    # A deterministic model's number is the worst case of its main attacks: does more effort than theirs find more?
    # Where PGD-20 is all there is to hold it against, an undefended network may lose a few images more.
    limit = max(CONVERGED, (4 if s.known is None and not s.random else 2) * s.allowance)
    more = s.long
    moved = (base.mean() - more.mean()).abs() if s.known is None else (s.known & (more < 0.5)).float().mean()
    gap = moved.item()
    less = f"PGD-{STEPS}" if s.known is None else "the worst case of the main attacks"
    why = f"accuracy changes from {less} to PGD-{4 * STEPS} with 2 restarts, {len(s.x)} images"
    yield check("probe_more_effort_changes_little", gap, round(limit, 6), gap <= limit, why)

    draws = generator(s.x.device, s.seed, "random points of a probe")
    lucky = torch.zeros_like(s.y, dtype=torch.bool)
    for _ in range(RANDOM_POINTS):
        wrong = predict(s.model, random_start(s.x, s.norm, s.eps, draws), len(s.x)).argmax(1) != s.y
        # One draw of a random model may be wrong anywhere: then random points say nothing.
        lucky |= wrong & (not s.random)
    share = (lucky & (more > 0.5)).float().mean().item()
    why = f"share of images that {RANDOM_POINTS} random points of the ball break and PGD does not"
    yield check("probe_random_points_not_stronger", share, 0.0, share == 0, why)


def _radius(s: Subject) -> Iterator[dict]:
    """Success grows with eps, and reaches chance where the ball holds a constant image."""
    at = (s.pgd(eps=s.eps / 2), s.again(), s.pgd(eps=2 * s.eps))
    curve = [left.mean().item() for left in at]
    rise = max(b - a for a, b in pairwise(curve))
    why = "largest rise of the accuracy at eps / 2, eps, 2 eps: " + ", ".join(f"{a:.3f}" for a in curve)
    yield check("probe_success_grows_with_eps", rise, s.allowance, rise <= s.allowance, why)

    grey = 0.5 if s.norm == "linf" else 0.5 * s.x[0].numel() ** 0.5
    left = s.pgd(eps=grey, steps=5 * STEPS, step_size=grey / STEPS).mean().item()
    chance = 1 / predict(s.model, s.x[:1], 1).shape[1]
    limit = max(chance, s.allowance)
    why = f"accuracy under PGD-{5 * STEPS} at {s.norm} {grey:.4g}, where every ball holds a grey image"
    yield check("probe_large_eps_breaks_all", left, round(limit, 6), left <= limit, why)


def _batches(s: Subject) -> Iterator[dict]:
    """The answer does not depend on which images share a batch. Not asked of a random model."""
    if s.random:
        return
    alone = (s.pgd(batch_size=5) != s.short).float().mean().item()
    why = "share of images whose fate under PGD depends on the batch size (5, or all at once)"
    yield check("probe_batch_size_changes_nothing", alone, s.allowance, alone <= s.allowance, why)


class _Fixed(nn.Module):
    """A random model that makes the same draws each time it is called."""

    def __init__(self, model: Model, seed: int):
        super().__init__()
        self.fixed, self.seed = model, seed

    def forward(self, x: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[x.device] if x.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            return self.fixed(x)


def _fixed_draws(s: Subject) -> Iterator[dict]:
    """With its draws known, a random model is at most as hard (Carlini et al. 2019: fix the randomness).

    If it is not, the gradient itself is useless and randomness is not what protects. Not asked of others.
    """
    if not s.random:
        return
    fixed = _Fixed(s.model, derive(s.seed, "fixed draws")).eval()
    result = attacks.get("pgd")(
        fixed,
        s.x,
        s.y,
        eps=s.eps,
        norm=s.norm,
        seed=s.seed,
        batch_size=len(s.x),
        steps=STEPS,
        early_stop=False,
    )
    gap = (result.correct.float().mean() - s.again().mean()).item()
    why = f"accuracy under PGD-{STEPS} with the draws fixed minus that with fresh draws"
    yield check("probe_fixed_randomness_is_easier", gap, s.allowance, gap <= s.allowance, why)
