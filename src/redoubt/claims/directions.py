"""Comparisons of two runs, or of a run with a number, on one study: differences with intervals, and outcomes."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from redoubt.claims.evidence import Evidence
from redoubt.claims.schema import SHARE, Comparison
from redoubt.config.runs import label
from redoubt.statistics.intervals import DRAWS, SEED, Interval, nrr, paired_means, paired_statistic

HOLDS, FAILS, OPEN = "direction holds", "direction fails", "not told apart"
RULE = (
    "A claim of several comparisons holds only where each of them holds; one that fails makes the claim fail, however "
    "many hold; otherwise it is not told apart."
)
UNITS = {"seconds_per_epoch": ("s", 1.0), "metric": (None, 1.0)}  # others: points of accuracy
POINTS = ("points", 100.0)
SIDE: dict[str, Callable[..., Any]] = {
    "accuracy": lambda attacked: attacked,
    "nrr": nrr,
    "gap": lambda clean, attacked: clean - attacked,
    "overfitting": lambda best, last: best - last,
}


@dataclass(frozen=True)
class Found:
    """One comparison that was made.

    Attributes:
        sides: the quantity of the left, and of the right or the number; shares where it is made of accuracies.
        seeds: that both sides have.
        n: images, None for what is no accuracy.
        discordant: over all seeds, how many images only the left and only the right classifies correctly, None where
            that does not decide.
        outcome: empty until it is judged.
        over: of worst cases over different attacks, those that both sides faced: the difference is over these.
        whole: then the difference over all that either side faced, with its outcome.
    """

    difference: Interval
    sides: tuple[float, float]
    seeds: list[int]
    n: int | None = None
    discordant: list[int] | None = None
    outcome: str = ""
    over: list[str] | None = None
    whole: dict[str, Any] | None = None


@dataclass(frozen=True)
class Missing:
    """Why a comparison could not be made on a study, and the runs that would have to be made."""

    why: str
    runs: tuple[str, ...] = ()


def compare(evidence: Evidence, study: str, c: Comparison) -> dict[str, Any] | Missing:
    """One comparison as the plain data of reports/claims.json, or what it lacks."""
    runs = [c.left, *([c.right] if c.right else [])]
    absent = tuple(r for r in runs if (study, r) not in evidence.records)
    if absent:
        return Missing(f"{study} has no record of {', '.join(absent)}", absent)
    c = at_radius(c, evidence.radius(study, c.left))
    found = _of_bits(evidence, study, c) if c.attack else _of_trainings(evidence, study, c)
    if isinstance(found, Missing):
        return found
    unit, scale = UNITS.get(c.measure, POINTS)
    found = _both_ways(evidence, study, c, found)
    d = found.difference
    kept = ("left", "right", "measure", "attack", "metric", "expect")
    return {
        "text": text(c, d),
        **{k: getattr(c, k) for k in kept},
        "against": c.value,
        "tolerance": c.tolerance,
        "unit": unit,
        "value": rounded(scale * d.value),
        "sides": [rounded(scale * v) for v in found.sides],
        "interval": None if math.isnan(d.low) else [rounded(scale * d.low), rounded(scale * d.high)],
        "outcome": found.outcome,
        "seeds": len(found.seeds),
        "used": found.seeds,
        "n": found.n,
        "discordant": found.discordant,
        "bootstrap": {"seed": SEED, "draws": DRAWS} if c.attack else None,
        "same_attacks": found.over,
        "all_attacks": found.whole,
    }


def at_radius(c: Comparison, eps: float) -> Comparison:
    """A comparison whose attack is named by a share of the radius, with the name of it in a study of this radius."""
    share = re.fullmatch(SHARE, c.attack or "")
    return c.model_copy(update={"attack": label(share[1], float(share[2]) * eps)}) if share else c


def outcome(c: Comparison, d: Interval) -> str:
    """Whether a difference is what was expected; bounds that are NaN tell nothing apart."""
    t = c.tolerance
    holds, fails = {
        "higher": (d.low > 0, d.high < 0),
        "lower": (d.high < 0, d.low > 0),
        "same": (d.low >= -t and d.high <= t, d.low > t or d.high < -t),
        "not_lower": (d.low >= -t, d.high < -t),
        "not_higher": (d.high <= t, d.low > t),
    }[c.expect]
    return HOLDS if holds else FAILS if fails else OPEN


def together(outcomes: list[str]) -> str:
    """The verdict of a claim, by RULE."""
    return FAILS if FAILS in outcomes else OPEN if OPEN in outcomes else HOLDS


def text(c: Comparison, d: Interval) -> str:
    """A comparison in one line."""
    unit, scale = UNITS.get(c.measure, POINTS)
    what = c.metric or " ".join(filter(None, (c.measure.replace("_", " "), c.attack)))
    against = c.right or f"{scale * cast(float, c.value):g}"
    within = "one run, no interval"
    if not math.isnan(d.low):
        within = f"{scale * d.low:+.4g} to {scale * d.high:+.4g}"
    tail = f" {unit}" if unit else ""
    return f"{what}: {c.left} - {against} = {scale * d.value:+.4g}{tail} ({within})"


def rounded(value: float) -> float:
    """Six digits: equal on every machine that gives equal bits."""
    return float(f"{value:.6g}")


def names(c: Comparison) -> list[str]:
    """The evaluations that a measure of an attack is made of."""
    attack = cast(str, c.attack)
    if c.measure == "overfitting":
        return [attack, f"{attack}_last"]
    return [attack] if c.measure == "accuracy" else ["clean", attack]


def _both_ways(evidence: Evidence, study: str, c: Comparison, found: Found) -> Found:
    """Worst cases over different attacks are compared over those that both sides faced, and a second time over all.

    Where the two outcomes differ, nothing is told apart: the difference may be one of the attacks.
    """
    judged = outcome(c, found.difference)
    alike = evidence.alike(study, c.left, c.right) if c.right and c.attack == "worst" else None
    if alike is None or c.right is None:
        return replace(found, outcome=judged)
    *sides, over = alike
    of = dict(zip((c.left, c.right), sides, strict=True))
    again = _of_bits(evidence, study, c, lambda run, name: of[run] if name == "worst" else None)
    if isinstance(again, Missing):
        return replace(found, outcome=judged)
    d, alone = found.difference, outcome(c, again.difference)
    whole = {
        "value": rounded(100 * d.value), "interval": [rounded(100 * d.low), rounded(100 * d.high)], "outcome": judged,
    }  # fmt: skip
    return replace(again, outcome=judged if judged == alone else OPEN, over=over, whole=whole)


def _of_bits(
    evidence: Evidence, study: str, c: Comparison, instead: Callable[..., Any] = lambda run, name: None
) -> Found | Missing:
    """Args:
    instead: (run, name) -> the bits in the place of those that were recorded, or None.
    """
    wanted = [(run, name) for run in filter(None, (c.left, c.right)) for name in names(c)]
    sides = [instead(*w) or evidence.bits(study, *w) for w in wanted]
    if lacking := [f"{name} of {run}" for (run, name), side in zip(wanted, sides, strict=True) if not side]:
        return Missing(f"{study} has no evaluation {', '.join(lacking)}")
    seeds = sorted(set.intersection(*(set(side) for side in sides)))
    if not seeds:
        return Missing(f"the runs of {study} have no seed in common")
    n = min(len(side[s]) for side in sides for s in seeds)
    bits = [np.stack([side[s][:n] for s in seeds]) for side in sides]
    side, k = SIDE[c.measure], len(names(c))
    shares = [float(b.mean()) for b in bits]
    if not c.right:
        against = cast(float, c.value)
        d = paired_statistic(lambda *a: side(*a) - against, *bits)
        return Found(d, (float(side(*shares)), against), seeds, n)
    d = paired_statistic(lambda *a: side(*a[:k]) - side(*a[k:]), *bits)
    only = None
    if c.measure == "accuracy":
        left, right = bits
        only = [int((left & ~right).sum()), int((right & ~left).sum())]
    return Found(d, (float(side(*shares[:k])), float(side(*shares[k:]))), seeds, n, only)


def _of_trainings(evidence: Evidence, study: str, c: Comparison) -> Found | Missing:
    left = _values(evidence, study, c.left, c)
    right = _values(evidence, study, c.right, c) if c.right else dict.fromkeys(left, cast(float, c.value))
    seeds = sorted(set(left) & set(right))
    if not seeds:
        return Missing(f"{study} has no training record with {c.metric or c.measure} of both sides")
    x, y = (np.array([side[s] for s in seeds]) for side in (left, right))
    return Found(paired_means(x, y), (float(x.mean()), float(y.mean())), seeds)


def _values(evidence: Evidence, study: str, run: str, c: Comparison) -> dict[int, float]:
    trained = evidence.trainings.get((study, run), {})
    if c.measure == "metric":
        last = {s: r["history"][-1] for s, r in trained.items()}
        return {s: float(row[c.metric]) for s, row in last.items() if c.metric in row}
    if c.measure == "fluctuation":
        curves = {s: [row["robust"] for row in r["history"]] for s, r in trained.items()}
        return {s: float(np.std(curve[len(curve) // 2 :])) for s, curve in curves.items()}
    found = evidence.records[study, run].items()
    return {s: r["training_seconds"] / r["config"]["training"]["epochs"] for s, r in found}
