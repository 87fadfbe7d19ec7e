"""Figures of notebooks/cure.py that read results and training records; `cure_inside` has those that read weights."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from redoubt.reports.figures.claims import of_paper
from redoubt.reports.figures.cure_inside import cure_cka, cure_gradients_at_the_end, cure_smallest
from redoubt.reports.figures.evidence import Evidence
from redoubt.reports.figures.overview import here
from redoubt.reports.figures.shapes import bars, curves, dots, intervals, lines, scatter
from redoubt.reports.figures.style import Picture
from redoubt.reports.figures.uiat import robust_curves, sensitivity
from redoubt.reports.figures.validity import by_radius, swept
from redoubt.reports.names import label
from redoubt.statistics.intervals import Interval, nrr, paired_statistic

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
    means = rows.groupby(["run", "name"], sort=False)["accuracy"].mean().unstack()
    cross = [{"called": label(r), "x": here(e, r, "clean"), "y": here(e, r, "worst")} for r in runs]
    figure = scatter(pd.DataFrame(cross), ("natural accuracy (%)", "worst case (%)"))
    equal_ratio(figure.axes[0])
    ratio = pd.Series({label(str(run)): nrr(m["clean"], m["worst"]) for run, m in means.iterrows()})
    caption = (
        "Natural accuracy against accuracy in the worst case; gray lines join points of equal natural-robustness ratio "
        f"(NRR). Bars are 95 % intervals; {e.behind(runs)}."
    )
    compared = e.compare("cure/main", "trades/main", "worst")
    found = f"{ratio.idxmax()} has the highest NRR, {ratio.max():.1f}; {compared}."
    return Picture(figure, caption, found)


def equal_ratio(axes: Axes) -> None:
    """Gray lines of equal NRR through a drawing of natural against robust accuracy, named at its right end."""
    x, y = axes.get_xlim(), axes.get_ylim()
    ends = [nrr(x[1], max(v, 0)) for v in y]
    natural = np.linspace(*x, 50)
    for level in MaxNLocator(7, integer=True).tick_values(*ends):
        if ends[0] < level < ends[1]:
            robust = level * natural / (2 * natural - level)
            axes.plot(natural, robust, color="0.75", lw=0.7, zorder=0)
            words, at = f"NRR {level:.0f}", (natural[-1], robust[-1])
            axes.annotate(
                words, at, xytext=(3, 0), textcoords="offset points", va="center", fontsize=7, color="0.4"
            )
    axes.set_xlim(x)
    axes.set_ylim(y)


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
    figure = curves(by_radius(e, rows), ("radius of the attack (pixel range is 0 to 1)", "accuracy (%)"))
    names = rows.drop_duplicates("name").sort_values("eps")["name"]
    said = "; ".join(e.compare("cure/main", "pgd_at/main", n) for n in (names.iloc[1], names.iloc[-1]))
    return Picture(
        figure, f"Accuracy under PGD by radius, with 95 % intervals; {e.behind(runs)}.", f"{said}."
    )


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
    figure = lines(long, "epoch", "value", ("epoch", "mean |gradient| of the loss"), hue="block")
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
    """Accuracy in each group of corruptions."""
    rows = e.tidy[e.tidy["attack"] == "corruption"].copy()
    rows["family"] = [i["family"] for i in rows["info"]]
    of = {family: group for group, families in GROUPS.items() for family in families}
    rows["group"] = rows["family"].map(of).fillna("extra")
    rows = rows.sort_values("group", key=lambda c: c.map([*GROUPS, "extra"].index), kind="stable")
    runs = list(dict.fromkeys(rows["run"]))
    groups = list(dict.fromkeys(rows["group"]))
    of_run = lambda run, group: rows[(rows["run"] == run) & (rows["group"] == group)]
    cells = [[mean_of(of_run(run, g)) for g in groups] for run in runs]
    figure = intervals(groups, [label(r) for r in runs], cells)
    severities = sorted({i["severity"] for i in rows["info"]})
    caption = (
        f"Accuracy under common corruptions of severity {', '.join(map(str, severities))}, mean over the families of "
        f"each group ({rows['family'].nunique()} in all), with 95 % intervals; {e.behind(runs)}."
    )
    said = ", ".join(
        f"{label(run)} {np.mean([c.value for c in found if c]):.1f} %"
        for run, found in zip(runs, cells, strict=True)
    )
    return Picture(figure, caption, f"mean over groups and seeds: {said}.")


def mean_of(rows: pd.DataFrame) -> Interval | None:
    """Mean accuracy in percent over the families of a group, with a 95 % bootstrap over images and seeds."""
    families = [np.stack(list(group["correct"])) for _, group in rows.groupby("family", sort=False)]
    if not families:
        return None
    return paired_statistic(lambda *shares: sum(shares) / len(shares), *families).percent()


def cure_claims(e: Evidence) -> Picture:
    """The comparisons behind its judged claims."""
    return of_paper(e, "CURE")
