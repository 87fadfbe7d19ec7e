"""A comparison in words: both sides, the attack, the interval, what was expected, and on which side it missed."""

from typing import Any

from redoubt.claims.schema import SEEDS
from redoubt.reports.names import attack, label

MEASURES = {
    "accuracy": "accuracy",
    "nrr": "NRR (harmonic mean of natural and attacked accuracy)",
    "gap": "natural minus attacked accuracy",
    "overfitting": "best minus last weights' accuracy",
    "fluctuation": "fluctuation of validation accuracy",
    "seconds_per_epoch": "seconds an epoch",
}


def sides(c: dict[str, Any]) -> str:
    """Under what, and both sides with their values: `worst case: CURE 41.4 %, TRADES 49.5 %`."""
    both = c.get("sides") or [None, None]
    named = [
        f"{name} {_plain(c, v)}".strip() for name, v in zip((label(c["left"]), right(c)), both, strict=True)
    ]
    return f"{under(c)}: {', '.join(named)}"


def right(c: dict[str, Any]) -> str:
    """What the left is compared with."""
    return label(c["right"]) if c.get("right") else "the limit"


def under(c: dict[str, Any]) -> str:
    """What was measured, short."""
    if c.get("metric"):
        return str(c["metric"]).replace("_", " ")
    what = "" if c["measure"] == "accuracy" else MEASURES.get(c["measure"], c["measure"]).partition(" (")[0]
    return ", ".join(filter(None, (what, attack(c["attack"]) if c.get("attack") else "")))


def difference(c: dict[str, Any]) -> str:
    """Left minus right with its interval and unit."""
    shape = "{:+.1f}" if c.get("attack") else "{:+.3g}"
    around = (
        f" [{', '.join(shape.format(v) for v in c['interval'])}]" if c.get("interval") else " (no interval)"
    )
    return shape.format(c["value"]) + around + (f" {c['unit']}" if c.get("unit") else "")


def expected(c: dict[str, Any]) -> str:
    """Where the whole interval of left minus right has to lie for the comparison to hold."""
    t = tolerance(c)
    return {
        "higher": "above 0",
        "lower": "below 0",
        "same": f"within {t} of 0",
        "not_lower": f"above -{t}",
        "not_higher": f"below +{t}",
    }.get(c["expect"], str(c["expect"]))


def tolerance(c: dict[str, Any]) -> str:
    """The tolerance in the unit of the comparison."""
    scale = 1 if c.get("unit") in (None, "s") else 100
    return f"{scale * c.get('tolerance', 0.01):g}{' ' + c['unit'] if c.get('unit') else ''}"


def found(c: dict[str, Any]) -> str:
    """What came out of it, and on which side it missed."""
    whole = c.get("all_attacks")
    if whole and whole["outcome"] != c["outcome"]:
        return "not told apart, as all attacks that either side faced give another outcome"
    if c["outcome"] == "direction holds":
        return "it holds"
    if c["outcome"] == "not told apart":
        return "not told apart" + ("" if c.get("interval") else ": one run each")
    first, second = (label(c["left"]), right(c)) if c["value"] > 0 else (right(c), label(c["left"]))
    return f"it missed {'upward' if c['value'] > 0 else 'downward'}, {first} is above {second}"


def sentence(c: dict[str, Any]) -> str:
    """The whole comparison as one sentence."""
    if c.get("value") is None:
        return str(c.get("text", ""))
    said = f"{sides(c)}; difference {difference(c)}{on(c)}, expected {expected(c)}: {found(c)}."
    return said[0].upper() + said[1:]


def same_attacks(c: dict[str, Any]) -> str:
    """Which attacks worst cases over different ones are compared over, and what all give; empty where all are alike."""
    if not c.get("same_attacks"):
        return ""
    over = ", ".join(attack(a) for a in c["same_attacks"])
    whole = c["all_attacks"]
    return (
        f"the two sides faced different attacks: this is over those that both faced ({over}); over all that either "
        f"faced it would be {difference({**c, **whole})}, {whole['outcome']}"
    )


def on(c: dict[str, Any]) -> str:
    """` on seed 0 and the attacks that both faced`: where seeds are fewer than SEEDS or the attacks not all."""
    used = c.get("used") or []
    return within(used if len(used) < SEEDS else [], bool(c.get("same_attacks")))


def within(seeds: list[int], attacks: bool) -> str:
    """What a difference of two runs is over.

    Args:
        seeds: where they are to be told, else empty.
        attacks: whether the two faced different ones.
    """
    told = [f"seed{'s' * (len(seeds) > 1)} {' and '.join(map(str, seeds))}"] if seeds else []
    told += ["the attacks that both faced"] if attacks else []
    return f" on {' and '.join(told)}" if told else ""


def few(claim: dict[str, Any]) -> str:
    """`1 of 3 seeds`: where some comparison has fewer in common than a direction asks for; else empty."""
    least = min((len(c["used"]) for c in claim.get("comparisons") or [] if c.get("used")), default=SEEDS)
    return f"{least} of {SEEDS} seeds" if least < SEEDS else ""


def turns(claim: dict[str, Any]) -> str:
    """What result would turn the verdict of a claim."""
    parts = [c for c in claim.get("comparisons") or [] if c.get("value") is not None]
    if not parts:
        told = claim.get("kind") == "number" and claim.get("ours") is not None
        return "A number within the tolerance of the paper's, or the paper's in our interval." if told else ""
    short = [c for c in parts if c["outcome"] != "direction holds"]
    if not short and claim.get("verdict") == "not told apart":
        return "It would hold where the comparisons that were not made here do too."
    if not short:
        return f"It would fail with one of these wholly outside: {'; '.join(map(_needed, parts))}."
    said = f"It would hold with all of these wholly inside: {'; '.join(map(_needed, short))}."
    if failing := [c for c in parts if c["outcome"] == "direction fails"]:
        which = "the interval that failed" if len(failing) == 1 else f"each of the {len(failing)} that failed"
        said += f" It would no longer fail once {which} reaches inside."
    return said


def _needed(c: dict[str, Any]) -> str:
    return f"{label(c['left'])} minus {right(c)}, {under(c)}, {expected(c)}"


def deciding(claim: dict[str, Any]) -> dict[str, Any] | None:
    """The comparison that decides the verdict of a claim: the first that fails, else the first that is open."""
    parts = [c for c in claim.get("comparisons") or [] if c.get("value") is not None]
    order = ("direction fails", "not told apart", "direction holds")
    return min(parts, key=lambda c: order.index(c["outcome"]) if c["outcome"] in order else 1, default=None)


def _plain(c: dict[str, Any], value: float | None) -> str:
    if value is None:
        return ""
    return (
        f"{value:.1f}\u00a0%"
        if c.get("unit") == "points"
        else f"{value:.3g}{' s' if c.get('unit') == 's' else ''}"
    )
