"""Comparisons of two runs, or of a run with a number, on one study: differences with intervals, and outcomes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from redoubt.claims.evidence import Evidence
from redoubt.claims.schema import Comparison
from redoubt.statistics.intervals import Interval, nrr, paired_means, paired_statistic

HOLDS, FAILS, OPEN = "direction holds", "direction fails", "not told apart"
UNITS = {"seconds_per_epoch": ("s", 1.0), "metric": (None, 1.0)}  # others: points of accuracy
POINTS = ("points", 100.0)
SIDE: dict[str, Callable[..., Any]] = {
    "accuracy": lambda attacked: attacked,
    "nrr": nrr,
    "gap": lambda clean, attacked: clean - attacked,
    "overfitting": lambda best, last: best - last,
}


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
    found = _of_bits(evidence, study, c) if c.attack else _of_trainings(evidence, study, c)
    if isinstance(found, Missing):
        return found
    d, seeds, n = found
    unit, scale = UNITS.get(c.measure, POINTS)
    kept = ("left", "right", "measure", "attack", "metric", "expect")
    return {
        "text": text(c, d),
        **{k: getattr(c, k) for k in kept},
        "against": c.value,
        "tolerance": c.tolerance,
        "unit": unit,
        "value": rounded(scale * d.value),
        "interval": None if math.isnan(d.low) else [rounded(scale * d.low), rounded(scale * d.high)],
        "outcome": outcome(c, d),
        "seeds": seeds,
        "n": n,
    }


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
    """A claim of several comparisons holds if each holds, and fails if one fails."""
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


def _of_bits(evidence: Evidence, study: str, c: Comparison) -> tuple[Interval, int, int] | Missing:
    sides = [evidence.bits(study, run, name) for run in filter(None, (c.left, c.right)) for name in names(c)]
    lacking = [
        f"{name} of {run}"
        for run in filter(None, (c.left, c.right))
        for name in names(c)
        if not evidence.bits(study, run, name)
    ]
    if lacking:
        return Missing(f"{study} has no evaluation {', '.join(lacking)}")
    seeds = sorted(set.intersection(*(set(side) for side in sides)))
    if not seeds:
        return Missing(f"the runs of {study} have no seed in common")
    n = min(len(side[s]) for side in sides for s in seeds)
    bits = [np.stack([side[s][:n] for s in seeds]) for side in sides]
    side, k = SIDE[c.measure], len(names(c))
    if c.right:
        return paired_statistic(lambda *a: side(*a[:k]) - side(*a[k:]), *bits), len(seeds), n
    return paired_statistic(lambda *a: side(*a) - c.value, *bits), len(seeds), n


def _of_trainings(evidence: Evidence, study: str, c: Comparison) -> tuple[Interval, int, None] | Missing:
    left = _values(evidence, study, c.left, c)
    right = _values(evidence, study, c.right, c) if c.right else dict.fromkeys(left, c.value)
    seeds = sorted(set(left) & set(right))
    if not seeds:
        return Missing(f"{study} has no training record with {c.metric or c.measure} of both sides")
    d = paired_means(np.array([left[s] for s in seeds]), np.array([right[s] for s in seeds]))
    return d, len(seeds), None


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
