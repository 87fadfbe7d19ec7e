"""Figures of notebooks/validity.py: whether the numbers can be believed."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from redoubt.reports.check_states import states
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.overview import PROTOCOL, mains
from redoubt.reports.figures.panels import paneled, small_multiples
from redoubt.reports.figures.published import above_the_truth
from redoubt.reports.figures.shapes import curves, sides
from redoubt.reports.figures.style import Look, Picture
from redoubt.reports.names import attack, label
from redoubt.reports.verdict_looks import CHECKS, COLORS, FAINT

__all__ = ["above_the_truth"]


def checks_passed(e: Evidence) -> Picture:
    """What became of each check for each defense: passed, failed, not made, or without a meaning for it."""
    runs = mains(e)
    checks = e.checks[e.checks["variant"] == "main"]
    found = states(checks).pivot_table(
        index="check", columns="defense", values="state", aggfunc="first", sort=False
    )
    found = found.reindex(columns=[r.split("/")[0] for r in runs])
    figure = Figure(figsize=(2.2 + 0.42 * len(runs), 1.3 + 0.22 * len(found)), layout="constrained")
    axes = figure.subplots()
    for row, values in enumerate(found.to_numpy()):
        for column, state in enumerate(values):
            style, sign = CHECKS.get(state, CHECKS["not made"])
            box = Rectangle(
                (column - 0.5, row - 0.5), 1, 1, facecolor=FAINT[style], edgecolor="white", lw=1.5
            )
            axes.add_patch(box)
            axes.text(column, row, sign, ha="center", va="center", fontsize=8, color=COLORS[style])
    handles = [
        Patch(facecolor=FAINT[s], edgecolor=COLORS[s], label=f"{sign} {state}")
        for state, (s, sign) in CHECKS.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, fontsize="small")
    axes.set_xticks(
        range(len(runs)), [label(r) for r in runs], rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(range(len(found)), [c.replace("_", " ") for c in found.index])
    axes.set_xlim(-0.5, len(runs) - 0.5)
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    failed = checks[~checks["passed"]]
    caption = (
        "What became of each validity check for each defense; a check that one seed failed is failed. Limits and "
        f"values stand in the table of checks; {e.behind(runs)}."
    )
    names = sorted(
        {f"{label(f'{d}/main')} ({c.replace('_', ' ')})" for d, c in failed[["defense", "check"]].values}
    )
    count = found.stack().value_counts()
    missing = int(count.get("not made", 0))
    said = f"of {len(checks)} checks of single seeds {len(failed)} failed" + (
        f": {', '.join(names)}" if names else ""
    )
    return Picture(figure, caption, f"{said}; {missing} that apply to a defense were not made.")


def attack_ordering(e: Evidence) -> Picture:
    """Accuracy from the weakest attack to the strongest, a panel a paper."""
    runs = mains(e)
    rows = e.rows(runs, list(PROTOCOL))
    present = [a for a in PROTOCOL if a in set(rows["name"])]
    panels = paneled(runs)

    def draw(axes: Axes, _: str, run: str, name: str, look: Look) -> None:
        panel = [r for r, _ in panels[axes.get_title()]]  # a baseline stands in several, in other places
        i, of = panel.index(run), len(panel)
        there = [(at, ci) for at, a in enumerate(present) if (ci := e.accuracy(run, a))]
        at = np.array([at for at, _ in there]) + 0.8 / of * (i - (of - 1) / 2)
        found = [ci for _, ci in there]
        axes.errorbar(
            [ci.value for ci in found], at, xerr=sides(found), fmt=look.marker, color=look.color, ms=4.5, mec="white",
            mew=0.4, lw=1, label=name,
        )  # fmt: skip

    figure, (cells,) = small_multiples(runs, draw, size=(2.9, 0.5 + 0.52 * len(present)))
    cells[0].set_yticks(range(len(present)), [attack(a) for a in present])
    cells[0].set_ylim(len(present) - 0.5, -0.5)
    cells[0].set_xlim(-2, 102)
    for axes in cells:
        axes.grid(axis="y", visible=False)
        for row in range(1, len(present)):
            axes.axhline(row - 0.5, color="0.92", lw=0.8, zorder=0)
    figure.supxlabel("accuracy (%)", fontsize="medium")
    means = rows.groupby(["run", "name"], sort=False)["accuracy"].mean().unstack()
    turned = []
    if {"fgsm", "pgd50"} <= set(present):
        turned = [label(str(run)) for run, m in means.iterrows() if m["pgd50"] > m["fgsm"] + 1]
    caption = (
        "Accuracy under attacks from weak to strong: a panel a paper, its baselines in gray; nothing stands where a "
        f"defense does not face an attack. Bars are 95 % intervals; {e.behind(runs)}."
    )
    found = (
        f"PGD leaves more images right than FGSM for {', '.join(turned)}"
        if turned
        else "nowhere does PGD leave a point more than FGSM"
    )
    return Picture(figure, caption, f"{found}; the checks in the table test each seed.")


def success_by_radius(e: Evidence) -> Picture:
    """Accuracy by radius for every variant that the sweep attacks."""
    runs, rows = swept(e)
    figure = curves(by_radius(e, rows), ("radius (pixel range is 0 to 1)", "accuracy (%)"))
    last = rows[rows["eps"] == rows["eps"].max()].groupby("called", sort=False)["accuracy"].mean()
    caption = f"Accuracy under PGD by radius, radius 0 is natural accuracy. Bars are 95 % intervals; {e.behind(runs)}."
    found = (
        f"at the largest radius, {rows['eps'].max():.3g}, {last.idxmax()} keeps most, {last.max():.1f} %: "
        f"{'so the attack works' if last.max() <= 15 else 'a larger radius would have to break it'}."
    )
    return Picture(figure, caption, found)


def swept(e: Evidence):
    """The variants that a sweep of radii attacks, and their rows with the natural accuracy as radius 0."""
    rows = e.tidy[e.tidy["name"].str.match(r"strength\w*@")]
    runs = list(dict.fromkeys(rows["run"]))
    seeds = set(zip(rows["run"], rows["seed"], strict=True))
    clean = e.rows(runs, ["clean"])
    clean = clean[[(r, s) in seeds for r, s in zip(clean["run"], clean["seed"], strict=True)]].assign(eps=0.0)
    both = pd.concat([clean, rows]).sort_values("eps", kind="stable")
    order = {r: i for i, r in enumerate(runs)}
    both = both.sort_values("run", key=lambda c: c.map(order), kind="stable")
    return runs, both.assign(called=both["run"].map(label))


def by_radius(e: Evidence, rows: pd.DataFrame) -> pd.DataFrame:
    """What `swept` gives as points of `shapes.curves`."""
    return e.points(rows, "called", "eps").rename(columns={"eps": "x"})
