"""A bound that was proven, held against what the attacks of a record report."""

import math
from typing import Any

import numpy as np

from redoubt.evaluation.checks import NO_BALL, Check, Evaluation, check, correct

PRINTED = 0.05  # percentages are printed to a tenth
NATURAL = "none"  # the attack of a natural prediction, which lies in every ball


def below_what_is_proven(
    evaluations: list[Evaluation], proven: dict[str, Any] | None, threat: dict[str, Any]
) -> Check | None:
    """No attack, nor all of them together, breaks an image more than the proof leaves. None without a proof.

    An evaluation that reports less than what is proven is wrong: it left its ball, judged another model, or saw other
    images. The value counts images, so it holds for attacks on fewer of them too.

    Args:
        proven: `robust` (percent) of the first `images` test images, `by` whom: see `config.schema.Bound`.
        threat: norm and eps that the proof is of; attacks in larger balls or other norms do not count.
    """
    if proven is None:
        return None
    n, safe = proven["images"], least(proven)
    faced = [e for e in evaluations if inside(e, threat)]
    broken = np.zeros(n, bool)
    for e in faced:
        bits = correct(e)[:n]
        broken[: len(bits)] |= ~bits
    over = int(broken.sum()) - (n - safe)
    why = (
        f"images broken by {len(faced)} evaluations together beyond the {n - safe} of the first {n} that are not "
        f"proven robust ({proven['by']}); below 0: neither proven nor broken"
    )
    return check("below_what_is_proven", over, 0, over <= 0, why)


def least(bound: dict[str, Any]) -> int:
    """The smallest number of robust images that a printed percentage can stand for."""
    return max(0, math.ceil(bound["images"] * (bound["robust"] - PRINTED) / 100 - 1e-9))


def inside(e: Evaluation, threat: dict[str, Any]) -> bool:
    """Whether an evaluation's points lie in the ball of a threat: what is proven of it, is proven of them."""
    if e["attack"] == NATURAL:
        return True
    small = e["norm"] == threat["norm"] and e["eps"] <= threat["eps"] * (1 + 1e-6)
    return small and e["attack"] not in NO_BALL
