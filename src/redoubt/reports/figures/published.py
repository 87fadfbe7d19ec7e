"""The figure of published weights: proof, our attacks and the published attack side by side."""

from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.style import COLORS, Picture
from redoubt.reports.names import attack
from redoubt.reports.published import Attacked, attacked, of_images, truth

WIDTH = 3.4  # inches of a network's panel


def above_the_truth(e: Evidence) -> Picture:
    """A panel a network: what each attack leaves, and how many points that is above what is known to be reachable."""
    runs = e.variants("external/*")
    records = {run: e.results(run)[0] for run in runs}
    found = {run: attacked(record) for run, record in records.items()}
    longest = max(len(rows) for rows in found.values())
    figure = Figure(figsize=(1.2 + WIDTH * len(runs), 1.3 + 0.27 * longest))
    panels = figure.subplots(1, len(runs), squeeze=False, sharey=True)[0]
    for axes, run in zip(panels, runs, strict=True):
        _panel(axes, records[run], found[run])
        axes.set_title(run.split("/")[1])
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    sns.despine(figure, left=True)
    norm, eps = e.threat
    n = " and ".join(map(str, sorted({of_images(record) for record in records.values()})))
    caption = (
        f"Robust accuracy of published weights under each of our attacks ({norm}, radius {eps:.3g} of the pixel "
        "range), beside what is proven and what the strongest published attack left. The number at a point is how far "
        "above the proof it stops, or above the published attack where nothing is proven. A hollow point is of fewer "
        f"images than the published numbers and has none; study {e.study}, n = {n} test images."
    )
    return Picture(figure, caption, " ".join(_found(run, records[run], found[run]) for run in runs))


def _panel(axes: Axes, record: dict[str, Any], rows: list[Attacked]) -> None:
    """One network: rows of attacks, upright lines of what is known."""
    known = record["published"]
    if known["proven"]:
        axes.axvline(known["proven"]["robust"], color=COLORS[2], lw=2, label="proven")
    if known["attacked"]:
        axes.axvline(known["attacked"]["robust"], color=COLORS[1], lw=1.5, ls="--", label="published attack")
    for whole, face in ((True, COLORS[0]), (False, "white")):
        at = [(a.robust, i) for i, a in enumerate(rows) if a.whole == whole]
        if at:
            name = "our attacks" if whole else "our attacks, fewer images"
            axes.plot(*zip(*at, strict=True), "o", ms=6, mfc=face, mec=COLORS[0], lw=0, label=name, zorder=3)
    for i, a in enumerate(rows):
        if (gap := above(record, a)) is not None:
            words, at_point = f"{gap:+.1f}", (a.robust, i)
            axes.annotate(words, at_point, xytext=(7, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(range(len(rows)), [attack(a.name) for a in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.15)
    axes.set_xlabel("accuracy (%)")


def above(record: dict[str, Any], a: Attacked) -> float | None:
    """Points that an attack stops above the truth; None where that is not known of the same images."""
    known = truth(record)
    return a.robust - known["robust"] if known and a.whole and a.n == known["images"] else None


def _found(run: str, record: dict[str, Any], rows: list[Attacked]) -> str:
    name, known, worst = run.split("/")[1], record["published"], rows[-1]
    said = f"{name}: all our attacks leave {worst.robust:.2f} % of {worst.n} images"
    if known["proven"]:
        said += f"; proven are {known['proven']['robust']:g} % of {known['proven']['images']}"
    if known["attacked"]:
        said += f", the published attack ({known['attacked']['by']}) left {known['attacked']['robust']:g} %"
    alone = [a for a in rows[1:-1] if above(record, a) is not None]
    if alone:
        weakest = max(alone, key=lambda a: a.robust)
        said += f"; {attack(weakest.name)} stops highest, {above(record, weakest):+.1f} points"
    return said + "."
