"""PGD (Madry et al. 2018): projected gradient ascent from random starts; with the margin loss, linf C&W."""

from dataclasses import dataclass

import torch
from torch import Tensor

from redoubt.attacks.core import losses
from redoubt.attacks.core.engine import AttackResult, Counted, Model, batched, predict
from redoubt.attacks.core.entry_exit import attack, finish
from redoubt.attacks.core.eot import Expectation, expectation, is_random, repeated
from redoubt.attacks.core.pgd_loop import Ascent, Objective, climb
from redoubt.attacks.core.pgd_step import random_start as draw_start
from redoubt.errors import RedoubtError, nearest
from redoubt.seeds import generator

LOSSES = (*losses.UNTARGETED, "kl")


@attack("linf", "l2")
def pgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 20,
    step_size: float | None = None,
    restarts: int = 1,
    random_start: bool = True,
    loss: str = "ce",
    kappa: float | None = None,
    targets: int = 0,
    eot: int = 1,
    early_stop: bool = True,
) -> AttackResult:
    """PGD-`steps`; keeps each example's strongest iterate: a misclassified one, else that of the largest loss.

    Starts are drawn for the whole set at once, so the answer does not depend on the batch size. A model that answers
    differently each time is detected: nothing stops at a lucky draw, the last iterate is kept (the best of many
    noisy losses would be luck too) and restarts are compared on fresh predictions.

    Args:
        x: (N, C, H, W) pixels in [0, 1].
        y: (N,) true labels.
        eps: radius in pixels of the norm.
        steps: gradient steps a start.
        step_size: in pixels of the norm; default 2.5 eps / steps, with which any point of the ball can be reached
            from any other (Madry et al.'s code for l2; 0.0039 for 20 steps at 8/255, where papers use 0.003).
        restarts: random starts; each attacks only what still stands.
        random_start: uniform in the ball; if False, at x.
        loss: ce, margin (Carlini-Wagner), dlr, or kl (to the clean prediction, as TRADES trains).
        kappa: the loss stops to count above this confidence (margin only).
        targets: attack the so many likeliest wrong classes one after the other, each with `restarts` starts
            (Gowal et al. 2019, MultiTargeted); 0 is untargeted. Losses ce and margin.
        eot: draws that each gradient is averaged over, for a random model.
        early_stop: an example is done with its first misclassified iterate. Off, it goes on to the largest loss:
            needed where another model than this one is the target.

    Raises:
        RedoubtError: see `entry_exit.attack`; a loss that is unknown or does not fit the other settings.
    """
    plan = _Plan(loss, kappa, targets, restarts, steps, random_start)
    counted, lucky = expectation(model, eot), is_random(model, x)
    size = 2.5 * eps / max(steps, 1) if step_size is None else step_size
    how = Ascent(eps, norm, steps, size, stop=early_stop and not lucky, keep_last=lucky)
    answer = counted.mean if isinstance(counted, Expectation) else counted
    clean = predict(answer, x, batch_size) if plan.needs_clean or how.stop else None
    draws = generator(x.device, seed, "pgd")
    best = _Found(x)
    if (
        clean is not None and how.stop
    ):  # what is wrong stays wrong: robust accuracy never exceeds clean accuracy
        best.broken = clean.argmax(1) != y
    for rank in plan.ranks(clean):
        start = draw_start(x, norm, eps, draws) if random_start else x
        standing = (~best.broken).nonzero()[:, 0] if how.stop else torch.arange(len(x), device=x.device)
        if not len(standing):
            break
        objective = lambda rows, rank=rank: plan.objective(
            y[rows], None if clean is None else clean[rows], rank
        )
        found = batched(
            lambda s: _climb(counted, objective, y, x, start, standing[s], how),  # noqa: B023
            len(standing),
            batch_size,
        )
        if lucky:
            judged = repeated(counted, found[0], y, seed=seed, batch_size=batch_size)
            found = (found[0], -judged.fraction, judged.fraction < 0.5)
        best.merge(standing, *found)
    info = {"loss": loss, "broken_after_each_start": best.history}
    return finish(counted, best.points, x, y, eps, norm, batch_size, seed=seed, **info)


def cw_pgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    seed: int = 0,
    batch_size: int = 512,
    steps: int = 20,
    step_size: float | None = None,
    restarts: int = 1,
    random_start: bool = True,
    kappa: float = 50.0,
    eot: int = 1,
    early_stop: bool = True,
) -> AttackResult:
    """PGD on the margin loss: what papers of adversarial training call C&W (Carlini and Wagner 2017, loss f6).

    It is no minimum-norm attack; that is `cw`.

    Args:
        kappa: the margin counts up to this confidence; 50 in the code of TRADES, MART and CURE.
        rest: see `pgd`.
    """
    how = {"steps": steps, "step_size": step_size, "restarts": restarts, "random_start": random_start}
    shared = {"eps": eps, "norm": norm, "seed": seed, "batch_size": batch_size}
    return pgd(model, x, y, loss="margin", kappa=kappa, eot=eot, early_stop=early_stop, **how, **shared)


def _climb(
    model: Counted, objective, y: Tensor, x: Tensor, start: Tensor, rows: Tensor, how: Ascent
) -> tuple[Tensor, Tensor, Tensor]:
    labels = y[rows]
    wrong = lambda logits, live: logits.argmax(1) != labels[live]
    return climb(model, objective(rows), wrong, x[rows], start[rows], how)


class _Found:
    """Each example's strongest point over the starts so far."""

    def __init__(self, x: Tensor):
        self.points = x.clone()
        self.value = x.new_full((len(x),), -torch.inf)
        self.broken = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        self.history: list[int] = []

    def merge(self, rows: Tensor, points: Tensor, value: Tensor, broken: Tensor) -> None:
        before = self.broken[rows]
        better = (broken & ~before) | ((broken == before) & (value >= self.value[rows]))
        chosen = rows[better]
        self.points[chosen] = points[better]
        self.value[chosen] = value[better]
        self.broken[chosen] = broken[better]
        self.history.append(int(self.broken.sum()))


@dataclass(frozen=True)
class _Plan:
    """What is maximised at each start; refuses settings that contradict each other."""

    loss: str
    kappa: float | None
    targets: int
    restarts: int
    steps: int
    random_start: bool

    def __post_init__(self):
        allowed = tuple(losses.TARGETED) if self.targets else LOSSES
        if self.loss not in allowed:
            what = "no targeted form of this loss" if self.loss in LOSSES else "unknown loss"
            raise RedoubtError(
                what, key="loss", value=self.loss, allowed=allowed, nearest=nearest(self.loss, allowed)
            )
        if self.kappa is not None and self.loss != "margin":
            raise RedoubtError(
                "only the margin has a confidence", key="kappa", value=self.kappa, allowed="loss: margin"
            )
        if self.loss == "kl" and not self.random_start:
            raise RedoubtError(
                "the divergence has no gradient at the clean image", key="random_start", value=False
            )
        for key in ("restarts", "steps"):
            if getattr(self, key) < 1:
                raise RedoubtError("an attack needs one or more", key=key, value=getattr(self, key))

    @property
    def needs_clean(self) -> bool:
        return self.loss == "kl" or self.targets > 0

    def ranks(self, clean: Tensor | None) -> list[int | None]:
        """One entry a start: which wrong class it aims at, 0 the likeliest; None without a target."""
        if clean is None or not self.targets:
            return [None] * self.restarts
        return [r for r in range(min(self.targets, clean.shape[1] - 1)) for _ in range(self.restarts)]

    def objective(self, y: Tensor, clean: Tensor | None, rank: int | None) -> Objective:
        """For examples with labels y and clean logits `clean`, the function that `climb` maximises."""
        if clean is not None and rank is not None:
            wrong = clean.scatter(1, y[:, None], -torch.inf)
            other = wrong.topk(rank + 1).indices[:, rank]
            raw = lambda logits, live: losses.TARGETED[self.loss](logits, other[live])
        elif clean is not None and self.loss == "kl":
            reference = clean.softmax(1)
            raw = lambda logits, live: losses.kl(logits, reference[live])
        else:
            raw = lambda logits, live: losses.UNTARGETED[self.loss](logits, y[live])
        kappa = self.kappa
        return raw if kappa is None else lambda logits, live: raw(logits, live).clamp_max(kappa)
