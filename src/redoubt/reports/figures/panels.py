"""Small multiples: a panel a paper, its own defenses in color before its baselines in gray.

Eighteen lines in one drawing cannot be told apart; four or five before gray ones can.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redoubt.reports.figures.style import MARKERS, Look, line, looks
from redoubt.reports.names import label


@dataclass(frozen=True)
class Panel:
    """The defenses that a paper proposes, and those that it has to be better than."""

    own: tuple[str, ...]
    baselines: tuple[str, ...]


PANELS = {
    "UIAT": Panel(("uiat",), ("pgd_at", "trades", "mart", "fgsm_rs", "n_fgsm")),
    "CURE": Panel(("cure", "cure_eff"), ("standard", "pgd_at", "trades", "mart")),
    "AFD": Panel(("afd",), ("vaft", "arrest", "afkd", "rift", "pgd_at", "trades")),
    "AToP": Panel(("atop", "atop_transfer"), ("purifier", "pgd_at", "standard")),
    "PSSR": Panel(("pssr",), ("standard", "pgd_at", "trades")),
}
GRAY = tuple(dict.fromkeys(b for p in PANELS.values() for b in p.baselines))
SHADES = ("0.4", "0.52", "0.64")
Draw = Callable[[Axes, str, str, str, Look], None]


def paneled(runs: list[str]) -> dict[str, list[tuple[str, bool]]]:
    """Paper -> its main variants among `runs` with whether they are its own, baselines first.

    Defenses of no paper stand together, in color, under `others`.
    """
    found: dict[str, list[tuple[str, bool]]] = {}
    for paper, panel in PANELS.items():
        own = [f"{d}/main" for d in panel.own if f"{d}/main" in runs]
        behind = [f"{d}/main" for d in panel.baselines if f"{d}/main" in runs]
        if own:
            found[paper] = [*((r, False) for r in behind), *((r, True) for r in own)]
    shown = {r for panel in found.values() for r, _ in panel}
    others = [(r, True) for r in runs if r not in shown]
    return found | ({"others": others} if others else {})


def small_multiples(
    runs: list[str], draw: Draw, kinds: Sequence[str] = ("",), size: tuple[float, float] = (2.9, 2.5)
) -> tuple[Figure, list[list[Axes]]]:
    """A drawing for each paper, of one scale.

    Args:
        runs: main variants.
        draw: called with the axes, the kind, the variant, its name and its look, baselines first.
        kinds: a row of drawings each, with its name at the side; a single one is laid out in rows of three.
        size: of a drawing, inches.

    Returns:
        The figure, and its axes a row each: those of a kind, or all of them in one row.
    """
    papers, single = paneled(runs), len(kinds) == 1
    columns = min(3, len(papers)) if single else len(papers)
    rows = -(-len(papers) // columns) if single else len(kinds)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    found = [list(grid.flat)] if single else [list(row) for row in grid]
    for kind, cells in zip(kinds, found, strict=True):
        for axes, (paper, members) in zip(cells, papers.items(), strict=False):
            if single or kind == kinds[0]:
                axes.set_title(paper, pad=4)
            known = _looks(members)
            for run, _ in members:
                draw(axes, kind, run, label(run), known[run])
    if single:
        for axes in found[0][len(papers) :]:
            axes.set_visible(False)
        for axes in found[0][max(0, len(papers) - columns) : len(papers)]:
            axes.xaxis.set_tick_params(labelbottom=True)
        found[0] = found[0][: len(papers)]
    handles: dict = {}
    for axes in (a for cells in found for a in cells):
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    order = sorted(handles, key=lambda name: name in {label(f"{b}/main") for b in GRAY})
    figure.legend(
        [handles[n] for n in order], order, loc="outside right upper", fontsize="small", handlelength=2.6
    )
    sns.despine(figure)
    return figure, found


def _looks(members: list[tuple[str, bool]]) -> dict[str, Look]:
    """Own defenses in the color that they have everywhere; a baseline in a gray of its own dash and marker."""
    own_runs = [r for r, own in members if own]
    found = looks(label(r) for r in own_runs)
    known = {
        r: replace(look, line=line(i)) for i, (r, (_, look)) in enumerate(zip(own_runs, found, strict=True))
    }
    for run, own in members:
        if not own:
            at = GRAY.index(run.split("/")[0])
            known[run] = Look(SHADES[at % 3], MARKERS[at % len(MARKERS)], line(at), behind=True)
    return known
