"""Accuracy from the attacker who knows least of a system to the one who knows most."""

from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.shapes import called, lines
from redoubt.reports.figures.style import Picture


def faced(e: Evidence, runs: list[str], attacks) -> list[str]:
    """Those of the attacks that one of the variants faces, in the given order."""
    names = set(e.rows(runs)["name"])
    return [a for a in attacks if a in names]


def by_knowledge(e: Evidence, words: dict[str, str], order, subject: str, what: str) -> Picture:
    """A line a variant over the attacks in order, and what the subject keeps at both ends.

    Args:
        words: variant -> what it is called.
        order: attacks, from the one that knows least.
        subject: the variant that the sentence is about.
        what: begins the caption.
    """
    runs = [r for r in words if r in e.runs]
    present = faced(e, runs, order)
    rows = e.rows(runs, present).copy()
    rows["at"] = rows["name"].map(present.index)
    rows["called"] = rows["run"].map(words)
    figure = lines(rows.sort_values("at", kind="stable"), "at", "accuracy", ("", "accuracy (%)"))
    figure.axes[0].set_xticks(
        range(len(present)), [called(a).replace("_", " ") for a in present], rotation=45, ha="right"
    )
    caption = f"{what}; {e.behind(runs)}, fewer where an attack is slow."
    known = {a: ci.value for a in present if a != "clean" and (ci := e.accuracy(subject, a))}
    least, low = next(iter(known)), min(known, key=lambda a: known[a])
    found = f"{words[subject]} keeps {known[least]:.1f} % under {least} and {known[low]:.1f} % under {low}"
    return Picture(figure, caption, f"{found}, the strongest here.")
