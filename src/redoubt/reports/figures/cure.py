"""Figures of notebooks/cure.py that read results and training records; `cure_inside` has those that read weights."""

import numpy as np
import pandas as pd

from redoubt.reports.figures.cure_inside import cure_cka, cure_gradients_at_the_end, cure_smallest
from redoubt.reports.figures.evidence import Evidence, label
from redoubt.reports.figures.shapes import bars, dots, lines, scatter
from redoubt.reports.figures.style import Picture
from redoubt.reports.figures.uiat import robust_curves, sensitivity
from redoubt.reports.figures.validity import swept
from redoubt.statistics.intervals import nrr

__all__ = ["cure_cka", "cure_gradients_at_the_end", "cure_smallest"]
RIVALS = ("pgd_at/main", "trades/main", "mart/main", "cure/main", "cure_eff/main")
BLOCKS = ("standard/main", "block_freezing/u_*", "pgd_at/main")
GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    "weather": ("brightness", "fog", "frost", "snow"),
    "digital": ("contrast", "elastic_transform", "jpeg_compression", "pixelate"),
}  # CURE, figure 7


def cure_sensitivity(e: Evidence) -> Picture:
    """p, alpha and gamma, one at a time."""
    params = {
        "p": "p, share of weights conserved",
        "alpha": "alpha, share of the natural gradient",
        "gamma": "gamma, weight of consistency",
        "beta": "weight of the KL term",
    }
    return sensitivity(e, "cure/main", params)


def cure_tradeoff(e: Evidence) -> Picture:
    """Natural accuracy against the worst case, with lines of equal NRR."""
    runs = e.variants(*RIVALS)
    rows = e.rows(runs, ["clean", "worst"])
    wide = rows.pivot_table(
        index=["run", "seed"], columns="name", values="accuracy", sort=False
    ).reset_index()
    wide["called"] = wide["run"].map(label)
    figure = scatter(wide, "clean", "worst", ("natural accuracy (%)", "accuracy in the worst case (%)"))
    axes = figure.axes[0]
    x, y = axes.get_xlim(), axes.get_ylim()
    natural, robust = np.linspace(*x, 100), np.linspace(max(y[0], 0.1), y[1], 100)
    level = [[nrr(max(a, 0), b) for a in natural] for b in robust]
    drawn = axes.contour(natural, robust, level, levels=6, colors="0.6", linewidths=0.7)
    axes.clabel(drawn, fmt="NRR %.0f", fontsize=7)
    means = wide.groupby("called", sort=False)[["clean", "worst"]].mean()
    ratio = pd.Series({name: nrr(m["clean"], m["worst"]) for name, m in means.iterrows()})
    caption = (
        "Natural accuracy against accuracy in the worst case; grey lines join points of equal natural-robustness ratio "
        f"(NRR). A small marker is a seed, a large one their mean; {e.behind(runs)}."
    )
    compared = e.compare("cure/main", "trades/main", "worst")
    found = f"{ratio.idxmax()} has the highest NRR, {ratio.max():.1f}; {compared}."
    return Picture(figure, caption, found)


def cure_blocks(e: Evidence) -> Picture:
    """Natural and worst-case accuracy of each U-b, re-initialized and fine-tuned."""
    runs = e.variants(*BLOCKS)
    figure = dots(e, runs, ["clean", "worst"])
    blocks = [r for r in runs if r.startswith("block")]
    ratio = {r: nrr(e.value(r, "clean"), e.value(r, "worst")) for r in blocks}
    best = max(ratio, key=lambda r: ratio[r])
    caption = (
        "Adversarial training of some blocks of a naturally trained network, the others frozen (U-b updates the blocks "
        f"in b); bars are 95 % intervals over images and seeds; {e.behind(runs)}."
    )
    return Picture(figure, caption, f"{label(best)} has the best balance (NRR {ratio[best]:.1f}; one seed).")


def cure_block_curves(e: Evidence) -> Picture:
    """Robust validation accuracy of the re-initialized U-b by epoch."""
    return robust_curves(e, [r for r in e.variants("block_freezing/u_*") if not r.endswith("fine_tuned")])


def cure_curves(e: Evidence) -> Picture:
    """Robust validation accuracy of CURE and its rivals by epoch."""
    return robust_curves(e, e.variants(*RIVALS))


def cure_strength(e: Evidence) -> Picture:
    """Accuracy under PGD by radius."""
    runs, rows = swept(e)
    figure = lines(rows, "eps", "accuracy", ("radius of the attack (pixel range is 0 to 1)", "accuracy (%)"))
    names = rows.drop_duplicates("name").sort_values("eps")["name"]
    said = "; ".join(e.compare("cure/main", "pgd_at/main", n) for n in (names.iloc[1], names.iloc[-1]))
    return Picture(figure, f"Accuracy under PGD by radius; {e.behind(runs)}.", f"{said}.")


def phases(e: Evidence, run: str, prefix: str) -> pd.DataFrame:
    """A logged value by block and epoch."""
    history = e.history([run])
    columns = [c for c in history.columns if c.startswith(prefix)]
    long = history.melt(["seed", "epoch"], columns, "block", "value").dropna()
    long["block"] = long["block"].str.removeprefix(prefix)
    return long


def cure_gradients(e: Evidence) -> Picture:
    """Mean magnitude of the gradient of CURE's loss in each block by epoch."""
    long = phases(e, "cure/main", "gradient_")
    figure = lines(
        long, "epoch", "value", ("epoch", "mean |gradient| of the loss"), hue="block", markers=False
    )
    figure.axes[0].set_yscale("log")
    ends = long.groupby(["block", "epoch"], sort=False)["value"].mean().groupby("block", sort=False)
    ratio = ends.last() / ends.first()
    caption = (
        "Mean magnitude of the gradient of CURE's loss by block, before masking, averaged over each epoch; band over "
        f"seeds; study {e.study}, {e.seeds(['cure/main'])}."
    )
    said = ", ".join(f"{b} x{v:.2f}" for b, v in ratio.items())
    return Picture(figure, caption, f"from the first epoch to the last: {said}.")


def cure_updated(e: Evidence) -> Picture:
    """Share of weights updated in each block, in three phases of the training."""
    long = phases(e, "cure/main", "updated_")
    last = long["epoch"].max()
    when = {1: "first epoch", (last + 1) // 2: "middle", last: "last epoch"}
    long = long[long["epoch"].isin(when)].assign(
        phase=lambda f: f["epoch"].map(when), share=lambda f: 100 * f["value"]
    )
    figure = bars(
        long.sort_values("epoch", kind="stable"), "block", "share", "phase", ("", "weights updated (%)"), 5
    )
    low, high = long["share"].min(), long["share"].max()
    caption = (
        f"Share of the weights of each block whose gradient is not set to 0 (p = {e.param('cure/main', 'p')} of each "
        f"tensor is conserved); line over seeds; study {e.study}, {e.seeds(['cure/main'])}."
    )
    found = f"between {low:.1f} and {high:.1f} %: a percentile of each tensor leaves blocks equal by design."
    return Picture(figure, caption, found)


def cure_corruptions(e: Evidence) -> Picture:
    """Accuracy in each group of corruptions, and each family's."""
    rows = e.tidy[e.tidy["attack"] == "corruption"].copy()
    rows["family"] = [i["family"] for i in rows["info"]]
    of = {family: group for group, families in GROUPS.items() for family in families}
    rows["group"] = rows["family"].map(of).fillna("extra")
    rows["called"] = rows["run"].map(label)
    rows = rows.sort_values("group", key=lambda c: c.map([*GROUPS, "extra"].index), kind="stable")
    per_seed = rows.groupby(["called", "seed", "group"], sort=False)["accuracy"].mean().reset_index()
    figure = bars(per_seed, "group", "accuracy", "called", ("", "accuracy (%)"))
    runs = list(dict.fromkeys(rows["run"]))
    severities = sorted({i["severity"] for i in rows["info"]})
    caption = (
        f"Accuracy under common corruptions of severity {', '.join(map(str, severities))}, mean over the families of "
        f"each group ({rows['family'].nunique()} in all); line over seeds; {e.behind(runs)}."
    )
    means = per_seed.groupby("called", sort=False)["accuracy"].mean()
    said = ", ".join(f"{name} {value:.1f} %" for name, value in means.items())
    return Picture(figure, caption, f"mean over groups and seeds: {said}.")
