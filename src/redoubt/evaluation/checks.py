"""Whether an evaluation can be believed, as data: checks on the evaluations of a result record.

Each check returns {"name", "value", "limit", "passed", "why"}: a number, what it may be, and in words which attacks
were compared. A failed check flags every number of the run. They are what Carlini et al. (2019, "On Evaluating
Adversarial Robustness", the checklist) ask an evaluator to try, and the signs of masked gradients that Athalye et al.
(2018, section 3.1) list:

| check | sign of trouble |
| --- | --- |
| iterative_at_least_one_step | one step breaks more than many |
| more_effort_changes_little | more steps or restarts still find more: the attack has not converged |
| success_grows_with_eps | a larger ball is harder to attack |
| large_eps_breaks_all | even an unbounded attack fails |
| black_box_not_stronger | Square or transfer break what no gradient does |
| random_model_needs_eot | a model that draws at random was attacked through single draws |
| perturbation_within_bound | an attack left its ball |
| ablated_part_breaks | the defense without its protecting part is as hard: the attack is too weak |

What needs the model itself is in `evaluation.probes`. Here only the bits of the evaluations are read, without torch, so
an auditor can recompute every line from the record.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import numpy as np

from redoubt.records.packed_booleans import unpack

Evaluation = dict
Check = dict

ONE_STEP = ("fgsm", "rfgsm")
ITERATIVE = ("pgd", "cw_pgd", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "screen", "autoattack")
BLACK_BOX = ("square", "transfer")
NO_BALL = ("none", "stadv", "corruption")  # their eps is not a norm of the pixels' change
EFFORT = ("steps", "restarts", "queries")

SLACK = 0.01  # ours: 1 % of the images may differ by the luck of random starts
CONVERGED = 0.02  # ours: what doubling the effort may still find
ROUNDING = 1e-5  # float32 rounding of x + delta, scaled by eps where that is above 1
MANY_DRAWS = (
    10  # ours: draws that an attack on a random model averages at least; AutoAttack's `rand` takes 20
)


def check(name: str, value: float, limit: float, passed: bool, why: str) -> Check:
    """One line of a record."""
    return {"name": name, "value": round(float(value), 6), "limit": limit, "passed": bool(passed), "why": why}


def correct(evaluation: Evaluation) -> np.ndarray:
    """(n,) bool, from the packed bits."""
    return unpack(evaluation["correct"], evaluation["n"])


def standing(evaluations: Iterable[Evaluation]) -> np.ndarray:
    """(n,) bool: which of the images that all of them attacked survive every one."""
    rows = [correct(e) for e in evaluations]
    n = min(len(r) for r in rows)
    return np.logical_and.reduce([r[:n] for r in rows])


def from_evaluations(evaluations: list[Evaluation], num_classes: int) -> list[Check]:
    """Every check that the evaluations of one record allow, in the order of the table above."""
    rules = (
        iterative_at_least_one_step,
        more_effort_changes_little,
        success_grows_with_eps,
        partial(large_eps_breaks_all, num_classes=num_classes),
        black_box_not_stronger,
        random_model_needs_eot,
        perturbation_within_bound,
    )
    return [found for rule in rules if (found := rule(evaluations)) is not None]


def _same_target(evaluations: Iterable[Evaluation], *more: str) -> list[list[Evaluation]]:
    """Groups that attacked the same weights in the same ball; a key of `more` must be equal as well."""
    groups = defaultdict(list)
    for e in evaluations:
        if e["attack"] not in NO_BALL:
            groups[tuple(repr(e.get(k)) for k in ("checkpoint", "norm", "eps", *more))].append(e)
    return list(groups.values())


def _black_box(e: Evaluation) -> bool:
    return e["attack"] in BLACK_BOX or bool(e.get("surrogate"))


def iterative_at_least_one_step(evaluations: list[Evaluation]) -> Check | None:
    """Iterative main attacks together break at least what one step breaks. None without both kinds.

    Among points crafted on another model, as diagnostic attacks may be, the weaker ones can transfer better.
    """
    worst = None
    for group in _same_target(evaluations, "view"):
        direct = [e for e in group if not e.get("surrogate") and e.get("role", "main") == "main"]
        one = [e for e in direct if e["attack"] in ONE_STEP]
        many = [e for e in direct if e["attack"] in ITERATIVE]
        if one and many:
            n = min(e["n"] for e in one + many)
            gap = standing(many)[:n].mean() - standing(one)[:n].mean()
            worst = max(worst or (-np.inf, ""), (gap, f"{_names(many)} against {_names(one)}, {n} images"))
    if worst is None:
        return None
    return check(
        "iterative_at_least_one_step", worst[0], SLACK, worst[0] <= SLACK, f"accuracy under {worst[1]}"
    )


def more_effort_changes_little(evaluations: list[Evaluation]) -> Check | None:
    """A main attack with more steps, restarts or queries finds little more. None without such a pair.

    What a diagnostic attack misses stands in no worst case.
    """
    worst = None
    for group in _same_target(evaluations, "view", "attack", "surrogate"):
        for less in group:
            for more in group:
                if less.get("role", "main") == "main" and _more_effort(less, more):
                    n = min(less["n"], more["n"])
                    gap = abs(correct(less)[:n].mean() - correct(more)[:n].mean())
                    worst = max(
                        worst or (-np.inf, ""), (gap, f"{less['name']} to {more['name']}, {n} images")
                    )
    if worst is None:
        return None
    why = f"accuracy changes from {worst[1]}"
    return check("more_effort_changes_little", worst[0], CONVERGED, worst[0] <= CONVERGED, why)


def _more_effort(less: Evaluation, more: Evaluation) -> bool:
    """Equal settings but for the effort, and that is greater in `more`. A step's size belongs to its number."""
    tied = (*EFFORT, "step_size")
    rest = [{k: v for k, v in e["params"].items() if k not in tied} for e in (less, more)]
    pairs = [(less["params"].get(k), more["params"].get(k)) for k in EFFORT]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    return rest[0] == rest[1] and any(b > a for a, b in known) and all(b >= a for a, b in known)


def success_grows_with_eps(evaluations: list[Evaluation]) -> Check | None:
    """The same attack breaks at least as much in a larger ball. None without two radii."""
    sweeps = defaultdict(list)
    for e in evaluations:
        if e["attack"] not in (*NO_BALL, "inverse"):  # an inverse adversary is to raise the accuracy
            fixed = {k: v for k, v in e["params"].items() if k != "step_size"}
            key = [
                e["attack"],
                e["checkpoint"],
                e["norm"],
                e.get("view"),
                e.get("surrogate"),
                sorted(fixed.items()),
            ]
            sweeps[repr(key)].append(e)
    worst = None
    for sweep in sweeps.values():
        ordered = sorted(sweep, key=lambda e: e["eps"])
        for smaller, larger in pairwise(ordered):
            if smaller["eps"] < larger["eps"]:
                n = min(smaller["n"], larger["n"])
                rise = correct(larger)[:n].mean() - correct(smaller)[:n].mean()
                what = f"{larger['name']} from eps {smaller['eps']:g} to {larger['eps']:g}, {n} images"
                worst = max(worst or (-np.inf, ""), (rise, what))
    if worst is None:
        return None
    return check(
        "success_grows_with_eps", worst[0], SLACK, worst[0] <= SLACK, f"rise of the accuracy of {worst[1]}"
    )


def large_eps_breaks_all(evaluations: list[Evaluation], num_classes: int) -> Check | None:
    """Where the linf ball is half the pixel range, it holds a grey image: at most chance is left. None without one."""
    large = [e for e in evaluations if e["norm"] == "linf" and e["eps"] >= 0.5 and e["attack"] in ITERATIVE]
    if not large:
        return None
    left, limit = standing(large).mean(), 1 / num_classes + SLACK
    why = f"accuracy under {_names(large)}; chance is 1/{num_classes}"
    return check("large_eps_breaks_all", left, round(limit, 6), left <= limit, why)


def black_box_not_stronger(evaluations: list[Evaluation]) -> Check | None:
    """Few images break under a black-box attack only. None without both kinds.

    Square inside an AutoAttack is judged by the bits before its stage.
    """
    worst = None
    for group in _same_target(evaluations):
        black = [correct(e) for e in group if _black_box(e)]
        white = [
            correct(e) for e in group if not _black_box(e) and e["attack"] not in ("autoattack", *ONE_STEP)
        ]
        names = _names(e for e in group if _black_box(e))
        for e in group:
            before = _before_square(e)
            if e["attack"] == "autoattack" and not e.get("surrogate"):
                white.append(correct(e) if before is None else before)
                if before is not None:
                    black.append(correct(e))
                    names = ", ".join(filter(None, [names, f"Square in {e['name']}"]))
        if black and white:
            n = min(map(len, black + white))
            safe = np.logical_and.reduce([w[:n] for w in white])
            share = (safe & ~np.logical_and.reduce([b[:n] for b in black])).mean()
            worst = max(worst or (-np.inf, ""), (share, f"{names}, {n} images"))
    if worst is None:
        return None
    why = f"share of the images that only a black box broke: {worst[1]}"
    return check("black_box_not_stronger", worst[0], SLACK, worst[0] <= SLACK, why)


def _before_square(e: Evaluation) -> np.ndarray | None:
    """Who stands before the Square stage of an AutoAttack; None where there is none, or where it is not the last."""
    stages = e.get("info", {}).get("stages", [])
    places = [i for i, stage in enumerate(stages) if stage["name"] == "square"]
    if len(places) != 1 or places[0] != len(stages) - 1:
        return None
    return unpack(stages[places[0] - 1]["bits"], e["n"])


def random_model_needs_eot(evaluations: list[Evaluation], random: bool | None = None) -> Check | None:
    """A model that draws at random is attacked through averages of draws. None for a deterministic model.

    Args:
        random: what `probes.probe` found; by default what the attacks noticed themselves.
    """
    noticed = any({"random", "predictions"} & set(e.get("info", {})) for e in evaluations)
    if not (noticed if random is None else random):
        return None
    draws = max((_draws(e) for e in evaluations if e.get("role", "main") == "main"), default=1)
    why = "draws that the best main attack averages; the model answers differently each time"
    return check("random_model_needs_eot", draws, MANY_DRAWS, draws >= MANY_DRAWS, why)


def _draws(e: Evaluation) -> int:
    return 20 if e["params"].get("version") == "rand" else e["params"].get("eot", 1)


def perturbation_within_bound(evaluations: list[Evaluation]) -> Check | None:
    """No attack left its ball. None without an attack in a ball."""
    bounded = [e for e in evaluations if e["attack"] not in NO_BALL]
    if not bounded:
        return None
    over = lambda e: (e["max_perturbation"] - e["eps"]) / max(1, e["eps"])
    worst = max(bounded, key=over)
    why = f"largest perturbation minus eps, of {len(bounded)} attacks; the largest is {worst['name']}'s"
    return check("perturbation_within_bound", over(worst), ROUNDING, over(worst) <= ROUNDING, why)


def ablated_part_breaks(ablated: list[Evaluation], defended: list[Evaluation]) -> Check | None:
    """Without the part that is said to protect, the same attacks break clearly more, or everything.

    None without a shared attack.

    Args:
        ablated, defended: evaluations of the two runs by the same attacks, e.g. of the undefended classifier.
    """
    shared = {e["name"] for e in ablated} & {e["name"] for e in defended if e["attack"] != "none"}
    pick = lambda side: standing(e for e in side if e["name"] in shared).mean()
    if not shared:
        return None
    left, gap = pick(ablated), pick(defended) - pick(ablated)
    why = f"robust accuracy with minus without the part ({left:.3f}), worst case of {len(shared)} attacks"
    return check("ablated_part_breaks", gap, SLACK, gap > SLACK or left <= SLACK, why)


def _names(evaluations: Iterable[Evaluation]) -> str:
    return ", ".join(e["name"] for e in evaluations)
