"""A stated number against ours: `56.3:autoattack` is reproduced, lower, higher or flagged."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redoubt.claims.numbers import verdict
from redoubt.errors import RedoubtError, nearest
from redoubt.records.packed_booleans import unpack
from redoubt.statistics.intervals import Interval, wilson

REPRODUCED, LOWER, HIGHER, FLAGGED = "reproduced", "lower", "higher", "flagged"


@dataclass(frozen=True)
class Stated:
    """A number that someone states.

    Attributes:
        percent: the accuracy.
        attack: the name of a row, or of an attack; `clean` and `worst` as well.
        tolerance: half a unit of the last digit that was written.
    """

    percent: float
    attack: str
    tolerance: float


def read(texts: Iterable[str]) -> list[Stated]:
    """Numbers written as `56.3:autoattack`.

    Raises:
        RedoubtError: not written like that, or no percentage.
    """
    found = []
    for text in texts:
        number, _, attack = text.partition(":")
        try:
            percent = float(number)
        except ValueError:
            percent = -1.0
        if not 0 <= percent <= 100 or not attack:
            raise RedoubtError(
                "a stated number is a percentage and the attack that it is under", key="claims", value=text,
                allowed="such as 56.3:autoattack",
            )  # fmt: skip
        digits = len(number.partition(".")[2])
        found.append(Stated(percent, attack, 0.5 * 10**-digits))
    return found


def check_names(stated: list[Stated], rows: dict[str, str]) -> None:
    """Refuses a number under an attack that the suite does not hold, before hours are spent.

    Args:
        rows: name of a row: its attack, `clean` among them.
    """
    allowed = [*rows, "worst"]
    for s in stated:
        if s.attack not in {*allowed, *rows.values()}:
            raise RedoubtError(
                "this model does not face such an attack in this suite", key="claims", value=s.attack, allowed=allowed,
                nearest=nearest(s.attack, allowed),
            )  # fmt: skip


def judge(
    stated: list[Stated], rows: list[dict[str, Any]], worst: tuple[int, int], failed: list[str]
) -> list[dict]:
    """One entry a stated number, in percent: stated, attack, tolerance, ours, interval, n, verdict, why.

    Args:
        rows: the evaluations of a record.
        worst: how many images stand against every main attack, and of how many.
        failed: names of the checks that failed: they flag every number.
    """
    return [_judged(s, rows, worst, failed) for s in stated]


def _judged(
    s: Stated, rows: list[dict[str, Any]], worst: tuple[int, int], failed: list[str]
) -> dict[str, Any]:
    if s.attack == "worst":
        correct, n = worst
    else:
        row = next((r for r in rows if r["name"] == s.attack), None) or next(
            r for r in rows if r["attack"] == s.attack
        )
        correct, n = int(unpack(row["correct"], row["n"]).sum()), row["n"]
    share = wilson(correct, n)
    ours = Interval(100 * share.value, 100 * share.low, 100 * share.high)
    word = verdict(s.percent, s.tolerance, ours).partition(":")[0]
    why = {
        REPRODUCED: "the stated number lies in our interval",
        LOWER: "our attacks break more than was stated",
        HIGHER: "our attacks break less than was stated: a stronger attack has to fail before this counts",
    }[word]
    if failed:
        why = f"without the flag: {word} ({why}); failed: {', '.join(failed)}"
        word = FLAGGED
    return {
        "stated": s.percent, "attack": s.attack, "tolerance": s.tolerance, "ours": round(float(ours.value), 4),
        "interval": [round(float(ours.low), 4), round(float(ours.high), 4)], "n": n, "verdict": word, "why": why,
    }  # fmt: skip
