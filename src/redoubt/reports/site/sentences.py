"""A comparison in words: both sides, the attack, the interval, what was expected, and on which side it missed."""

from typing import Any

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
    again = c.get("same_attacks")
    if again and again["outcome"] != c["outcome"]:
        return "not told apart, as the same attacks on either side give another outcome"
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
    said = f"{sides(c)}; difference {difference(c)}, expected {expected(c)}: {found(c)}."
    return said[0].upper() + said[1:]


def same_attacks(c: dict[str, Any]) -> str:
    """The second comparison of worst cases over different attacks; empty where there is none."""
    again = c.get("same_attacks")
    if not again:
        return ""
    over = ", ".join(attack(a) for a in again["over"])
    return (
        f"the two sides faced different attacks; over those that both faced ({over}): "
        f"{difference({**c, **again})}, {again['outcome']}"
    )


def turns(claim: dict[str, Any]) -> str:
    """What result would turn the verdict of a claim."""
    parts = [c for c in claim.get("comparisons") or [] if c.get("value") is not None]
    if not parts:
        told = claim.get("kind") == "number" and claim.get("ours") is not None
        return "A number within the tolerance of the paper's, or the paper's in our interval." if told else ""
    short = [c for c in parts if c["outcome"] != "direction holds"]
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
