"""Accuracy from the attacker who knows least of a system to the one who knows most."""

from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.shapes import dots_by_attack
from redoubt.reports.figures.style import Picture
from redoubt.reports.names import attack


def faced(e: Evidence, runs: list[str], attacks) -> list[str]:
    """Those of the attacks that one of the variants faces, in the given order."""
    names = set(e.rows(runs)["name"])
    return [a for a in attacks if a in names]


def by_knowledge(e: Evidence, words: dict[str, str], order, subject: str, what: str) -> Picture:
    """A row an attack in order, a marker a variant that faced it, and what the subject keeps at both ends.

    Args:
        words: variant -> what it is called.
        order: attacks, from the one that knows least.
        subject: the variant that the sentence is about.
        what: begins the caption.
    """
    runs = [r for r in words if r in e.runs]
    present = faced(e, runs, order)
    figure = dots_by_attack(e, runs, present, [words[r] for r in runs])
    caption = f"{what}. Bars are 95 % intervals; {e.behind(runs)}, fewer where an attack is slow."
    known = {a: ci.value for a in present if a != "clean" and (ci := e.accuracy(subject, a))}
    least, low = next(iter(known)), min(known, key=lambda a: known[a])
    keeps = [f"{known[a]:.1f} % under {attack(a)}" for a in (least, low)]
    return Picture(figure, caption, f"{words[subject]} keeps {' and '.join(keeps)}, the strongest here.")
