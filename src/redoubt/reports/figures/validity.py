"""Figures of notebooks/validity.py: whether the numbers can be believed."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from redoubt.reports.figures.evidence import Evidence, label
from redoubt.reports.figures.overview import PROTOCOL, mains
from redoubt.reports.figures.published import above_the_truth
from redoubt.reports.figures.shapes import called, lines
from redoubt.reports.figures.style import SEQUENTIAL, Picture

__all__ = ["above_the_truth"]


def checks_passed(e: Evidence) -> Picture:
    """Share of seeds that passed each check, by defense."""
    runs = mains(e)
    checks = e.checks[e.checks["variant"] == "main"]
    share = checks.assign(passed=checks["passed"].astype(float)).pivot_table(
        index="check", columns="defense", values="passed", sort=False
    )
    order = [r.split("/")[0] for r in runs]
    share = share.reindex(columns=order)
    figure = Figure(figsize=(1.6 + 0.55 * len(runs), 0.8 + 0.3 * len(share)))
    axes = figure.subplots()
    words = share.map(lambda v: "" if v != v else "pass" if v == 1 else "FAIL" if v == 0 else f"{v:.0%}")
    sns.heatmap(
        share, vmin=0, vmax=1, cmap=SEQUENTIAL, annot=words, fmt="", cbar=False, linewidths=1, ax=axes,
        annot_kws={"size": 7},
    )  # fmt: skip
    axes.set_xticks([i + 0.5 for i in range(len(runs))], [label(r) for r in runs], rotation=40, ha="right")
    axes.set_yticks(
        [i + 0.5 for i in range(len(share))], [c.replace("_", " ") for c in share.index], rotation=0
    )
    axes.set_xlabel("")
    axes.set_ylabel("")
    failed = checks[~checks["passed"]]
    caption = (
        "Share of seeds that passed each validity check; an empty cell is a check that does not apply. Limits and "
        f"values stand in the table checks; {e.behind(runs)}."
    )
    names = sorted(
        {f"{label(f'{d}/main')} ({c.replace('_', ' ')})" for d, c in failed[["defense", "check"]].values}
    )
    found = f"of {len(checks)} checks {len(failed)} failed" + (f": {', '.join(names)}." if names else ".")
    return Picture(figure, caption, found)


def attack_ordering(e: Evidence) -> Picture:
    """Accuracy from the weakest attack to the strongest, a line a defense."""
    runs = mains(e)
    rows = e.rows(runs, list(PROTOCOL)).copy()
    present = [a for a in PROTOCOL if a in set(rows["name"])]
    rows["at"] = rows["name"].map(present.index)
    rows["called"] = rows["run"].map(label)
    figure = lines(rows.sort_values("at", kind="stable"), "at", "accuracy", ("", "accuracy (%)"))
    figure.axes[0].set_xticks(range(len(present)), [called(a) for a in present], rotation=20)
    means = rows.groupby(["called", "at"], sort=False)["accuracy"].mean().unstack()
    turned = []
    if {"fgsm", "pgd50"} <= set(present):
        one, many = means[present.index("fgsm")], means[present.index("pgd50")]
        turned = [name for name in means.index if many[name] > one[name] + 1]
    caption = (
        "Accuracy under attacks from weak to strong: mean over seeds, band from the lowest seed to the highest; "
        f"{e.behind(runs)}."
    )
    found = (
        f"PGD leaves more images right than FGSM for {', '.join(turned)}"
        if turned
        else "no line rises by a point"
    )
    return Picture(figure, caption, f"{found}; the checks in the table test each seed.")


def success_by_radius(e: Evidence) -> Picture:
    """Accuracy by radius for every variant that the sweep attacks."""
    runs, rows = swept(e)
    figure = lines(rows, "eps", "accuracy", ("radius (pixel range is 0 to 1)", "accuracy (%)"))
    last = rows[rows["eps"] == rows["eps"].max()].groupby("called", sort=False)["accuracy"].mean()
    caption = f"Accuracy under PGD by radius; {e.behind(runs)}, radius 0 is natural accuracy."
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
