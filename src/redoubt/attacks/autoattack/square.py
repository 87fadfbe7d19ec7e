"""Square Attack (Andriushchenko, Croce et al. 2020): random search with squares, without gradients.

AutoAttack's fourth part. The draws are the reference's (pyautoattack 0.2.0), in its order: for linf one square for
all examples that share draws in each query, for l2 also one sign for each standing example and channel. So the answer
for one example depends on who shares its draws, in the reference as here: the batch size is part of the record.
"""

import math
from dataclasses import dataclass, fields
from typing import cast

import torch
from torch import Tensor

from redoubt.attacks.autoattack.square_l2 import bumps, scaled, signs, take_over, tiles
from redoubt.attacks.autoattack.stages import Batch, Core, Stage, in_stages
from redoubt.attacks.core.engine import AttackResult, Model
from redoubt.attacks.core.passes import Passes

QUERIES = 5000  # AutoAttack paper, section 5
P_INIT = 0.8  # the reference's AutoAttack; the paper of the attack varies it with norm and data
# Queries after which a GPU looks for examples that may leave (linf; in l2 the draws depend on who has left).
LOOK_EVERY = 50
# Share of the pixels in a square: halved after each of these queries (paper, section 3.3; not rescaled, as the
# reference's AutoAttack has it).
HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


def side(query: int, height: int, width: int, p_init: float, norm: str) -> int:
    """The side of a query's square in pixels; in l2 odd and at least 3, for its two halves."""
    p = p_init / 2 ** sum(query > q for q in HALVED_AFTER)
    s = max(round(math.sqrt(p * height * width)), 1 if norm == "linf" else 3)
    if norm == "l2" and s % 2 == 0:
        s += 1
    return min(s, height, width)


@dataclass
class _Rows:
    index: Tensor  # the row's place in the batch
    stream: Tensor  # which stream of draws it follows; rows of one stream are neighbours
    x: Tensor
    low: Tensor  # the linf ball cut with [0, 1]
    high: Tensor
    y: Tensor
    own: Tensor  # (n, K) bool, true at the label
    best: Tensor
    trial: Tensor  # linf: equal to best outside the window of the query
    margin: Tensor

    def keep(self, mask: Tensor) -> None:
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name)[mask])


class _Search:
    """The standing examples and their best points. A margin of 0 or less is a success, and the example leaves.

    With a random model none leaves, because a lucky draw is no success, and margins are averaged over `draws`.
    """

    def __init__(self, passes: Passes, batch: Batch, streams: list[int], start: Tensor, draws: int):
        self.passes, self.random, self.draws = passes, batch.random, draws
        x, y = batch.x, batch.y
        self.found, self.streams = start.clone(), len(streams)
        self.broken = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        own = torch.arange(batch.logits.shape[1], device=x.device) == y[:, None]
        low, high = (x - batch.eps).clamp_min(0), (x + batch.eps).clamp_max(1)
        index = torch.arange(len(x), device=x.device)
        stream = torch.arange(self.streams).repeat_interleave(torch.tensor(streams)).to(x.device)
        self.rows = _Rows(index, stream, x, low, high, y, own, start, start.clone(), index)
        self.rows.margin = self.margin(start)
        self._bound()
        self.leave()

    def margin(self, z: Tensor, moved: Tensor | None = None) -> Tensor:
        """(n,) the true logit minus the largest other one.

        Args:
            moved: (n,) bool; the other rows of z are the best points, whose margins are known.
        """
        r = self.rows
        if moved is None or moved.all():
            return self._margin(z, r.y, r.own)
        known = r.margin.clone()
        if moved.any():
            known[moved] = self._margin(z[moved], r.y[moved], r.own[moved])
        return known

    def _margin(self, z: Tensor, y: Tensor, own: Tensor) -> Tensor:
        def once(logits: Tensor) -> Tensor:
            return logits.gather(1, y[:, None])[:, 0] - logits.masked_fill(own, -torch.inf).amax(1)

        return cast(Tensor, sum(once(self.passes(z)) for _ in range(self.draws))) / self.draws

    def better(self, margin: Tensor) -> Tensor:
        """(n, 1, 1, 1) where the trial's margin is below the best point's, whose luck of a random model ends here."""
        if self.random:
            self.rows.margin = self.margin(self.rows.best)
        return (margin < self.rows.margin).view(-1, 1, 1, 1)

    def leave(self) -> None:
        r = self.rows
        if self.random:
            return
        broken = r.margin <= 0
        if not broken.any():
            return
        self.found[r.index[broken]] = r.best[broken]
        self.broken[r.index[broken]] = True
        r.keep(~broken)
        self._bound()

    def _bound(self) -> None:
        ends = self.rows.stream.bincount(minlength=self.streams).cumsum(0).tolist()
        self.spans = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]

    def outcome(self) -> tuple[Tensor, Tensor]:
        self.found[self.rows.index] = self.rows.best
        return self.found, self.broken


def _plan(batch: Batch, size: int, queries: int, p_init: float) -> tuple[Tensor, list, Tensor]:
    """All linf draws of the examples that share them, whoever still stands: start, windows, jumps.

    The reference's stream is the start, then for each query a row, a column and c signs.
    """
    _, c, h, w = batch.x.shape
    draws = batch.draws[batch.sizes.index(size)]
    stripes = signs(torch.rand((size, c, 1, w), generator=draws))
    u = torch.rand((queries, 2 + c), generator=draws)
    sides = [side(query, h, w, p_init, "linf") for query in range(queries)]
    room = torch.tensor([(h - s, w - s) for s in sides]).view(-1, 2)
    corners = (room * u[:, :2]).long().tolist()
    windows = [
        (slice(top, top + s), slice(left, left + s)) for s, (top, left) in zip(sides, corners, strict=True)
    ]
    return stripes, windows, (2 * batch.eps * signs(u[:, 2:])).to(batch.x.device)[:, :, None, None]


def _moved(r: _Rows, places: list[tuple]) -> Tensor:
    """(n,) bool: where the query changes a pixel. A square on one of its own sign changes none, and asks nothing."""
    return torch.cat([(r.trial[place] != r.best[place]).flatten(1).any(1) for place in places])


def _linf(passes: Passes, batch: Batch, queries: int, p_init: float, eot: int) -> tuple[Tensor, Tensor]:
    """Squares of +-2 eps, first on vertical stripes; a query touches its window only.

    Its points are the reference's, but the model is not asked again about one that it has just judged.

    Batches of the reference that are equally large draw alike, because each is seeded anew: one plan serves all.
    """
    sizes = list(dict.fromkeys(batch.sizes))
    plans = [_plan(batch, size, queries, p_init) for size in sizes]
    stripes = torch.cat([plans[sizes.index(size)][0] for size in batch.sizes]).to(batch.x.device)
    streams = [size * batch.sizes.count(size) for size in sizes]
    search = _Search(passes, batch, streams, (batch.x + batch.eps * stripes).clamp(0, 1), eot)
    for query in range(queries):
        r = search.rows
        if not len(r.index):
            break
        places = [
            (span, slice(None), *plan[1][query]) for span, plan in zip(search.spans, plans, strict=True)
        ]
        for place, plan in zip(places, plans, strict=True):
            torch.clamp(r.best[place] + plan[2][query], r.low[place], r.high[place], out=r.trial[place])
        margin = search.margin(r.trial, None if search.random or r.x.is_cuda else _moved(r, places))
        better = search.better(margin)
        for place in places:
            best, trial = r.best[place], r.trial[place]
            torch.where(better[place[0]], trial, best, out=best)
            trial.copy_(best)
        r.margin = torch.minimum(margin, r.margin)
        if not r.x.is_cuda or (query + 1) % LOOK_EVERY == 0 or query == queries - 1:
            search.leave()
    return search.outcome()


def _l2(passes: Passes, batch: Batch, queries: int, p_init: float, eot: int) -> tuple[Tensor, Tensor]:
    """Bumps that take over the mass of another window; the perturbation has norm eps before it is clipped."""
    x, eps = batch.x, batch.eps
    _, c, h, w = x.shape
    drawn = [tiles(n, c, h, w, draws, x.device) for n, draws in zip(batch.sizes, batch.draws, strict=True)]
    start = (x + scaled(torch.cat(drawn), eps)).clamp(0, 1)
    search = _Search(passes, batch, list(batch.sizes), start, eot)
    for query in range(queries):
        r = search.rows
        if not len(r.index):
            break
        s = side(query, h, w, p_init, "l2")
        delta = r.best - r.x
        for span, draws in zip(search.spans, batch.draws, strict=True):
            n = span.stop - span.start
            if n:
                u = torch.rand(5 + n * c, generator=draws)
                top, left, top2, left2 = (torch.tensor([h - s, w - s] * 2) * u[:4]).long().tolist()
                first = (..., slice(top, top + s), slice(left, left + s))
                second = (..., slice(top2, top2 + s), slice(left2, left2 + s))
                take_over(delta[span], first, second, bumps(u[4:], s, n, c, x.device), eps)
        trial = (r.x + scaled(delta, eps)).clamp(0, 1)
        margin = search.margin(trial)
        r.best = torch.where(search.better(margin), trial, r.best)
        r.margin = torch.minimum(margin, r.margin)
        search.leave()
    return search.outcome()


def search(*, queries: int, p_init: float = P_INIT, eot: int = 1) -> Core:
    """Square Attack on the margin of logits, one run."""

    def core(passes: Passes, batch: Batch) -> tuple[Tensor, Tensor]:
        with passes.without_gradients():
            found, broken = (_linf if batch.norm == "linf" else _l2)(passes, batch, queries, p_init, eot)
        return found.clone(), broken.clone()

    return core


def square(
    model: Model, x: Tensor, y: Tensor, *, eps: float, norm: str = "linf", seed: int = 0, batch_size: int = 250,
    queries: int = QUERIES, p_init: float = P_INIT, eot: int = 1,
) -> AttackResult:  # fmt: skip
    """Square Attack, score-based: it sees logits only; AutoAttack's last part.

    Args:
        x, y: (N, C, H, W) pixels in [0, 1] and (N,) true labels.
        eps, norm: the ball, in pixels.
        batch_size: examples that share random draws, which decide the answer; 250 is the reference's.
        queries: predictions an example gets at most, after the first.
        p_init: share of the pixels in the first squares.
        eot: draws of a random model that each margin is averaged over; it is asked about the best point again, too.

    Raises:
        RedoubtError: see `stages.in_stages`.
    """
    stage = Stage("square", search(queries=queries, p_init=p_init, eot=eot))
    return in_stages(model, x, y, [stage], eps=eps, norm=norm, seed=seed, batch_size=batch_size)
