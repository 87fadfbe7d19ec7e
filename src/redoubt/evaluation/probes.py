"""Whether a model can be attacked by its gradient at all: short experiments on a few dozen images.

`probe` returns the same lines as `checks`, for the result record. It costs about 12,000 forward and backward
passes of one image; the limits are ours unless a source is named.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from redoubt import attacks
from redoubt.attacks.core.engine import Counted, Model, frozen, predict
from redoubt.attacks.core.eot import is_random, repeated
from redoubt.attacks.core.losses import cross_entropy
from redoubt.attacks.core.pgd_step import random_start
from redoubt.evaluation.checks import CONVERGED, SLACK, check
from redoubt.seeds import derive, generator

IMAGES = 32
IMAGES_OF_RANDOM = 16  # each pass of theirs is ten
STEPS = 20
EOT = 10
EXP_UNDERFLOWS = 88.0  # exp(-88) is the smallest normal float32: beyond it a softmax has no gradient
RANDOM_POINTS = 100


@dataclass(frozen=True)
class _Subject:
    """The model and the images that every experiment looks at."""

    model: Model
    x: Tensor
    y: Tensor
    eps: float
    norm: str
    seed: int
    random: bool
    stands: Tensor | None

    @property
    def allowance(self) -> float:
        """One image may differ by luck, however few there are; three for a random model."""
        return max(SLACK, (3 if self.random else 1) / len(self.x))

    def pgd(self, model: Model | None = None, eps: float | None = None, **params) -> Tensor:
        """(N,) share of fresh predictions that are right under PGD: 0 or 1 for a deterministic model."""
        model = self.model if model is None else model
        shared = {"eps": self.eps if eps is None else eps, "norm": self.norm, "seed": self.seed}
        params = {"steps": STEPS, "eot": EOT if self.random else 1, "batch_size": len(self.x), **params}
        result = attacks.get("pgd")(model, self.x, self.y, **shared, **params)
        return self.judge(result.x_adv, model) if self.random else result.correct.float()

    def judge(self, x_adv: Tensor, model: Model | None = None) -> Tensor:
        """(N,) share of ten fresh predictions that are right."""
        return repeated(model or self.model, x_adv, self.y, seed=self.seed, batch_size=len(x_adv)).fraction


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
        One {"name", "value", "limit", "passed", "why"} a check, all starting with "probe_"; empty if the model
        classifies nothing correctly.

    Raises:
        RedoubtError: see `attacks.engine.check_input`.
    """
    right = predict(model, x, 256).argmax(1) == y.to(x.device)
    stands = None if stands is None else stands.to(x.device)[right][:images]
    x, y = x[right][:images].float(), y.to(x.device)[right][:images]
    if not len(x):
        return []
    if random := is_random(model, x):
        x, y = x[:IMAGES_OF_RANDOM], y[:IMAGES_OF_RANDOM]
    subject = _Subject(model, x, y, eps, norm, seed, random, stands)
    with frozen(model), torch.random.fork_rng(devices=[x.device] if x.device.type == "cuda" else []):
        torch.manual_seed(derive(seed, "probe"))
        experiments = (_answers, _gradients, _effort, _radius, _batches, _fixed_draws)
        return [line for experiment in experiments for line in experiment(subject)]


def _answers(s: _Subject) -> Iterator[dict]:
    """Determinism, and whether the logits are in a range in which the losses have gradients."""
    logits = predict(s.model, s.x, len(s.x))
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


def _gradients(s: _Subject) -> Iterator[dict]:
    """Zero or non-finite gradients of the cross-entropy at the clean images (Athalye et al. 2018: shattered)."""
    _, gradient, _ = Counted(s.model).value_and_gradient(lambda logits: cross_entropy(logits, s.y), s.x)
    flat = gradient.flatten(1)
    bad = (~flat.isfinite().all(1) | (flat == 0).all(1)).float().mean().item()
    yield check(
        "probe_useless_gradients", bad, 0.05, bad <= 0.05, "share of images with a zero or NaN gradient"
    )


def _effort(s: _Subject) -> Iterator[dict]:
    """One step, many steps, more steps and restarts, and no gradient at all."""
    base = s.pgd()
    one_step = attacks.get("fgsm")(s.model, s.x, s.y, eps=s.eps, norm=s.norm, batch_size=len(s.x))
    one = s.judge(one_step.x_adv)
    gap = (base.mean() - one.mean()).item()
    why = f"accuracy under PGD-{STEPS} minus that under FGSM, {len(s.x)} images"
    yield check("probe_iterative_at_least_one_step", gap, s.allowance, gap <= s.allowance, why)

    # A deterministic model's number is the worst case of its main attacks: does more effort than theirs find more?
    known = None if s.random else s.stands
    limit = max(CONVERGED, 2 * s.allowance)
    more = s.pgd(steps=4 * STEPS, restarts=2)
    moved = (base.mean() - more.mean()).abs() if known is None else (known & (more < 0.5)).float().mean()
    gap = moved.item()
    less = f"PGD-{STEPS}" if known is None else "the worst case of the main attacks"
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


def _radius(s: _Subject) -> Iterator[dict]:
    """Success grows with eps, and reaches chance where the ball holds a constant image."""
    curve = [s.pgd(eps=factor * s.eps).mean().item() for factor in (0.5, 1, 2)]
    rise = max(b - a for a, b in pairwise(curve))
    why = "largest rise of the accuracy at eps / 2, eps, 2 eps: " + ", ".join(f"{a:.3f}" for a in curve)
    yield check("probe_success_grows_with_eps", rise, s.allowance, rise <= s.allowance, why)

    grey = 0.5 if s.norm == "linf" else 0.5 * s.x[0].numel() ** 0.5
    left = s.pgd(eps=grey, steps=5 * STEPS, step_size=grey / STEPS).mean().item()
    chance = 1 / predict(s.model, s.x[:1], 1).shape[1]
    limit = max(chance, s.allowance)
    why = f"accuracy under PGD-{5 * STEPS} at {s.norm} {grey:.4g}, where every ball holds a grey image"
    yield check("probe_large_eps_breaks_all", left, round(limit, 6), left <= limit, why)


def _batches(s: _Subject) -> Iterator[dict]:
    """The answer does not depend on which images share a batch. Not asked of a random model."""
    if s.random:
        return
    alone = (s.pgd(batch_size=5) != s.pgd()).float().mean().item()
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


def _fixed_draws(s: _Subject) -> Iterator[dict]:
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
    gap = (result.correct.float().mean() - s.pgd().mean()).item()
    why = f"accuracy under PGD-{STEPS} with the draws fixed minus that with fresh draws"
    yield check("probe_fixed_randomness_is_easier", gap, s.allowance, gap <= s.allowance, why)
